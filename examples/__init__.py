"""Recipes that show the plugin at work; run as ``python -m examples.NAME``."""
