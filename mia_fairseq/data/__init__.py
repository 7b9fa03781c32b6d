"""DATA folders as torch data: schema, labels, statistics, the dataset.

``format/`` is how they lie on disk, ``views/`` what is made of them when a split is opened.
"""
