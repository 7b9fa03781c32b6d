"""What costs time in each of fairseq's updates, and need not."""
