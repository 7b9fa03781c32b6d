"""What fairseq 0.12 gets wrong and no interface of it lets a plugin mend, one file a patch."""
