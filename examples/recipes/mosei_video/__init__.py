"""Whole videos of CMU-MOSEI: frozen features of text, sound and face, one row a video."""
