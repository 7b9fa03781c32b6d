"""The corpus of the demo: GENERATED clips of a talking head whose labels are known."""
