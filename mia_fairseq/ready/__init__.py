"""Small trained models in the box: each a folder of mia_fairseq.export with its card and recipe."""
