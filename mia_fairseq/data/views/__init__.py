"""What is made of a split when it is opened: contexts, derived and disturbed modalities."""
