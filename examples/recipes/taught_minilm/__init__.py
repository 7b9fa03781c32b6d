"""CMU-MOSI by a small text encoder that a large one taught; see taught_minilm.yaml."""
