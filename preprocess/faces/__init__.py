"""Keyframes of a clip and the faces in them."""
