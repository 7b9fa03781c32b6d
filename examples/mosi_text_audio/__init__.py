"""MOSI, text and audio, the text encoder learning along; see recipe.py."""
