"""Benchmarks of how cost grows with the size of what is read, and with processes."""
