"""Fusions in which modalities attend to one another."""
