"""Networks that extractors run, and the tokenizers in front of them."""
