"""Experiments: rows of runs from YAML files, run, resumed and kept apart by what they are."""
