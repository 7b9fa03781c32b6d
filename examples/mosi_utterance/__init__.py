"""CMU-MOSI with published utterance features; see recipe.py."""
