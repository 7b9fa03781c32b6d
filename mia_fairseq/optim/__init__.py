"""Optimizers beside fairseq's own."""

from mia_fairseq.plugin import register

register()
