"""Benchmarks of whole epochs, of this project and beside others."""
