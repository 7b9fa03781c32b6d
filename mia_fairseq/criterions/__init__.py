"""Losses: the task's own beside L_KRL (Eq. 13-18)."""

from mia_fairseq.plugin import register

register()
