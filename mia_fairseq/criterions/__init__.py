"""Losses: the task's own beside L_KRL (Eq. 13-18)."""
