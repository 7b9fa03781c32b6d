"""Optimizers beside fairseq's own."""
