"""A page on this machine: a clip dropped or recorded, and what the models say of it."""
