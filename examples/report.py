"""A report of runs: the same as python -m mia_fairseq.report."""

from runpy import run_module

run_module("mia_fairseq.report", run_name="__main__", alter_sys=True)
