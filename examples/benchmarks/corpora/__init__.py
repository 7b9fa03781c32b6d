"""Benchmarks of corpora beyond one machine's memory."""
