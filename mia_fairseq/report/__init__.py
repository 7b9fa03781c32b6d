"""What runs have found, as tables, intervals and pictures on one page."""
