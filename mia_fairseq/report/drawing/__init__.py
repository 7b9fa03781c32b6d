"""Pictures as SVG: what a report draws, and the curves of a training."""
