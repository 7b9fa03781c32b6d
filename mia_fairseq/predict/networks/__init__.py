"""What runs a trained model: torch, or onnxruntime alone."""
