"""`written_out_attention` of one channel, without its d_a x d_m matrices.

`closed_form` equals it to a tolerance, `tilting` exactly at chosen points, and `chebyshev`
interpolates between them.
"""
