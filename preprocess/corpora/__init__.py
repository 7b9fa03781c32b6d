"""A corpus's own files and labels as a manifest: a command for each corpus."""
