"""MIA-Net and the fusions it is compared with, a file each; affect_model.py is what all share."""

from mia_fairseq.plugin import register

register()
