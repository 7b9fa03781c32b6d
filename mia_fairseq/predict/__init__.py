"""Predictions for clips that nobody prepared, or for a split of a DATA folder."""
