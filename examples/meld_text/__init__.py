"""MELD from its transcripts, the text encoder learning along; see recipe.py."""
