"""MOSI and MELD with frozen MiniLM text; see recipe.py."""
