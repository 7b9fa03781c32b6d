"""Tables that people write: manifests and labels."""
