"""MMSA's feature pickles: what a split of one holds, and its token ids."""
