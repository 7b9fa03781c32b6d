"""Real voices and faces: RAVDESS, from the released clips to the tables, over five actor folds."""
