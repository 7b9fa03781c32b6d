"""MIA-Net and the fusions it is compared with, a file each; affect_model.py is what all share."""
