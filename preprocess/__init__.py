"""From raw clips or published features to ``DATA/``; run as ``python -m preprocess.NAME``."""
