"""From a modality as DATA holds it to a sequence of vectors; an encoder a file."""
