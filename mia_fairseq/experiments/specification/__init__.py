"""What an experiment is: its YAML file, with what it inherits, as rows of flags."""
