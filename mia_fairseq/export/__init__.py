"""Trained models as folders that need torch alone, or onnxruntime alone, and no fairseq."""
