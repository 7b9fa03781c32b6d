"""Recipes: from published files to the tables of docs/results.md."""
