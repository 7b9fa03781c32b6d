"""What a run is made of, and how its commands run."""
