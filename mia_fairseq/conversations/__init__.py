"""Models of dialogues, one file each; ``--conversation NAME`` puts one after any fusion."""
