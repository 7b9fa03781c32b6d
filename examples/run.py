"""The paper's experiments; the same as python -m mia_fairseq.experiments."""

from runpy import run_module

run_module("mia_fairseq.experiments", run_name="__main__", alter_sys=True)
