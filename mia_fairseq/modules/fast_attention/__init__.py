"""`written_out_attention` of one channel, without its d_a x d_m matrices.

`moments` equals it by a power series, where queries and entries are of moderate size; elsewhere
`closed_form` to a tolerance, on rows that `query_rows` places: `tilting` is exact at chosen points,
and `chebyshev` interpolates between them.
"""
