"""Eq. 3-5 without their d_a x d_m matrices: one smooth function a row."""
