"""Audio and video tracks, decoded, and the words that are spoken in them."""
