"""Features of clips, a modality at a time: workers, shards, and records of what was left out."""
