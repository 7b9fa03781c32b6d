"""Eq. 1-12 as plain modules, and what fusions share."""
