"""Published weights: which, from where, by which sha256, and how their files are read."""
