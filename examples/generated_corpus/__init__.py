"""A corpus of generated features, on which every fusion can be seen to learn."""
