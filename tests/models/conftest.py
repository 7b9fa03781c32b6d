"""Its folder holds fusion_inputs.py, which the tests below import."""
