"""A trained model for another task (Table 5), for ``--user-dir examples/transfer``."""

from . import transferred

__all__ = ["transferred"]
