"""The front door: what importing the package costs, and what brings the plugin to fairseq."""

import os
import subprocess
import sys

import pytest
from harness import ROOT
from warm import warm_commands

REGISTERED = (
    "from fairseq.tasks import TASK_REGISTRY; from fairseq.models import MODEL_REGISTRY;"
    "from fairseq.criterions import CRITERION_REGISTRY;"
    "assert 'multimodal_affect' in TASK_REGISTRY and 'mia_net' in MODEL_REGISTRY;"
    "assert 'lmf' in MODEL_REGISTRY and 'mae_krl' in CRITERION_REGISTRY"
)


def run(code: str, *, with_fairseq: bool = False) -> None:
    """In a process that has imported torch, or fairseq as well, and nothing of ours."""
    words = ["python", "-c", code]
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    done = warm_commands.run(words, cwd=ROOT, env=environment, with_fairseq=with_fairseq)
    assert done.returncode == 0, done.stderr


def test_the_package_alone_loads_neither_fairseq_nor_torch_and_leaves_python_alone() -> None:
    code = (
        "import sys; hook = sys.excepthook; import mia_fairseq;"
        "assert not {'fairseq', 'torch', 'numpy'} & set(sys.modules), sorted(sys.modules);"
        "assert 'load_model' in dir(mia_fairseq) and sys.excepthook is hook"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr


@pytest.mark.parametrize(
    "module",
    ["tasks.init_from", "models.affect_model", "criterions.joint_loss", "optim.adam_fused"],
)
def test_a_module_that_registers_something_brings_all_the_others(module: str) -> None:
    run(f"import mia_fairseq.{module}; {REGISTERED}", with_fairseq=True)


def test_the_hook_for_errors_belongs_to_commands() -> None:
    run(
        "import sys; hook = sys.excepthook; import mia_fairseq.models;assert sys.excepthook is hook"
    )
    run(
        "import sys, fairseq_cli.train; hook = sys.excepthook; import mia_fairseq;"
        "assert sys.excepthook is not hook",
        with_fairseq=True,
    )


def test_in_fairseqs_commands_any_of_our_modules_brings_the_plugin() -> None:
    """A user's folder may hold an encoder alone, and take no more from us than its registry."""
    code = f"import fairseq_cli.train, mia_fairseq.encoders.registry; {REGISTERED}"
    run(code, with_fairseq=True)


def test_registering_twice_is_registering_once() -> None:
    code = f"from mia_fairseq.plugin import register; register(); register(); {REGISTERED}"
    run(code, with_fairseq=True)


def test_load_model_comes_when_it_is_asked_for() -> None:
    run(
        "import mia_fairseq; from mia_fairseq import load_model;"
        "from mia_fairseq.predict import predictor; assert load_model is predictor.load_model",
        with_fairseq=True,
    )
    with pytest.raises(AttributeError, match="no attribute 'load_modle'"):
        __import__("mia_fairseq").load_modle  # noqa: B018


@pytest.mark.parametrize("module", ["models", "fairseq_bases", "data.dataset", "optim.adam_fused"])
def test_logging_is_left_as_it_was(module: str) -> None:
    run(
        f"import logging, sys; import mia_fairseq.{module}; assert 'fairseq' in sys.modules;"
        "root = logging.getLogger(); assert root.level == logging.WARNING and not root.handlers"
    )
