"""A fusion and a criterion of one's own, one file each, for ``--user-dir examples/custom``."""

from . import gated_sum, huber_krl

__all__ = ["gated_sum", "huber_krl"]
