"""Answers: what is told of a clip, and how it is written down for people and programs."""
