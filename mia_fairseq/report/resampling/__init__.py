"""Intervals and comparisons, from how often each row of a split is drawn."""
