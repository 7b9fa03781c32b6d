"""What makes features of clips: an extractor a file; base.py is what all share."""
