"""Fusions by products of modalities: tensors, low-rank tensors, density matrices."""
