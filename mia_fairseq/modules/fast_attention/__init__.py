"""`written_out_attention` of one channel, without its d_a x d_m matrices.

`closed_form` equals it to a tolerance, on rows that `query_rows` places; `tilting` exactly at
chosen points, `condensing` at these with a few points for the auxiliary's entries, and `chebyshev`
interpolates between them.
"""
