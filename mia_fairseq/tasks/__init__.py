"""The fairseq task multimodal_affect: data in, metrics of whole splits out."""

from mia_fairseq.plugin import register

register()
