"""The paper's own encoders and settings, for a machine with a GPU; see paper_encoders.yaml."""
