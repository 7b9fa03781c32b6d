"""Trained models as folders that need torch alone, and no fairseq."""
