"""Measured in turns on one thread: speed, memory, and what of it is the framework."""
