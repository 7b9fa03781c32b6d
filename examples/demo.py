"""The demo, from raw clips to a prediction: python -m examples.demo --out demo_output."""

from runpy import run_module

run_module("examples.demo_corpus.main_job", run_name="__main__", alter_sys=True)
