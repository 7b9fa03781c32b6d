"""Benchmarks of answers for clips: their time from cold and in folders, and the words heard."""
