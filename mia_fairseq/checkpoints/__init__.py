"""Files that fairseq-train wrote: read as data, checked, and only then built into models."""
