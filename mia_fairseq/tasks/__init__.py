"""The fairseq task multimodal_affect: data in, metrics of whole splits out."""
