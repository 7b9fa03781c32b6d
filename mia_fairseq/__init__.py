"""MIA-Net for fairseq; see README.md."""
