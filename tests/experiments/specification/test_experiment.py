"""Every experiment's file: it loads, and fairseq's own parser knows all of its overrides."""

import re
from pathlib import Path

import pytest
from fairseq import options
from fairseq.models import ARCH_MODEL_REGISTRY
from harness import ROOT

from mia_fairseq.errors import InputError
from mia_fairseq.experiments.specification import experiment as experiments
from mia_fairseq.experiments.specification.experiment import load
from mia_fairseq.experiments.specification.inheritance import FOLDER
from mia_fairseq.experiments.specification.run_flags import RunRow, as_arguments, train_flags
from mia_fairseq.models.affect_model import AffectModel

NAMES = experiments.names()
KINDS = ("regression", "classes")
TASK = ("--task", "multimodal_affect")


def parse(arguments: tuple[str, ...], *, training: bool = True) -> None:
    make = options.get_training_parser if training else options.get_validation_parser
    parser = make("multimodal_affect")
    given = ["DATA", *TASK, *arguments] + ([] if training else ["--path", "checkpoint_best.pt"])
    options.parse_args_and_arch(parser, given)


def is_ours(arch: str) -> bool:
    return issubclass(ARCH_MODEL_REGISTRY.get(arch, object), AffectModel)


def test_every_table_and_figure_of_the_paper_has_a_file() -> None:
    ours = {"which_main", "context", "context_sentences", "robustness", "channels_gamma", "fusions"}
    papers = {f"table{number}" for number in range(1, 11)} | {"fig2", "fig3", "fig4"}
    assert set(NAMES) == ours | papers


@pytest.mark.parametrize("name", NAMES)
def test_every_override_is_one_of_the_real_configuration(name: str) -> None:
    loaded = load(name)
    assert loaded.claim.endswith(".") and loaded.needs and loaded.status
    assert loaded.rows or loaded.command
    for row in loaded.rows:
        for kind in KINDS:
            arguments = train_flags(row, kind)
            parse(arguments)
            assert is_ours(arguments[arguments.index("--arch") + 1])
    for flags in loaded.evaluations.values():
        parse(as_arguments(flags), training=False)


def test_the_parser_refuses_what_is_unknown() -> None:
    for training in (True, False):
        with pytest.raises(SystemExit):
            parse(("--arch", "mia_net", "--no-such-flag", "1"), training=training)
    with pytest.raises(SystemExit):
        parse(("--arch", "no_such_fusion"))


@pytest.mark.parametrize("name", NAMES)
def test_rows_name_rows_of_the_paper(name: str) -> None:
    loaded = load(name)
    known = {row for table in loaded.paper.values() for row in table.rows}
    for row in loaded.rows:
        assert row.paper is None or row.paper in known, row.name
    names = [row.name for row in loaded.rows]
    assert len(set(names)) == len(names)


def test_published_figures_are_fractions_but_mae() -> None:
    row = load("table1").paper["CMU-MOSI"].rows["MIA-Net (F)"]
    assert row == {"acc7": 0.5335, "acc2_non0": 0.8979, "f1_non0": 0.8979, "mae": 0.59}
    assert load("table3").paper["MELD"].rows["MIA-Net"]["f1.fear"] == 0.274
    assert load("table10").paper["any corpus"].rows["MIA-Net"]["flops_4_M"] == 48.94
    for name in NAMES:
        for table in load(name).paper.values():
            for figures in table.rows.values():
                for column, value in figures.items():
                    if column.startswith(("acc", "f1", "weighted")):
                        assert value is None or 0 <= value <= 1, (name, column)


def test_the_base_holds_for_every_run_and_a_run_overrides_it() -> None:
    flags = train_flags(
        RunRow("x", {"channels": 2, "lr": None, "no-adapters": True}), "classes", {}
    )
    assert "--lr" not in flags and flags.count("--channels") == 1 and "--no-adapters" in flags
    assert flags[flags.index("--channels") + 1] == "2"
    assert flags[flags.index("--criterion") + 1] == "ce_krl"
    assert train_flags(RunRow("x", {"gamma": 0}), "regression", {"gamma": 1})[-1] == "1"


@pytest.mark.parametrize("name", ["table1", "context"])
def test_the_space_of_the_search_is_of_real_flags(name: str) -> None:
    space = load(name).search
    values = {name: how.get("low", how.get("choices", [None])[0]) for name, how in space.items()}
    parse(as_arguments({"arch": "mia_net", "criterion": "mae_krl", **values}))


def test_sweeps_and_modalities_multiply_rows() -> None:
    rows = [row.name for row in load("channels_gamma").rows]
    assert len(rows) == 8 and "W random, channels 1, gamma 0.3" in rows
    probes = load("which_main", ("text", "lips")).rows
    assert [row.name for row in probes] == ["text alone", "lips alone"]
    assert probes[1].flags["main-modality"] == "lips"


@pytest.mark.parametrize(
    "text",
    [
        "claim: [",
        "- a list",
        "claim: c\nneeds: n\nstatus: s\n",
        "claim: c\nneeds: n\nstatus: s\nruns: {}\nclam: twice\n",
        "claim: c\nneeds: n\nstatus: s\nruns: {}\nplot: pie\n",
        "claim: c\nneeds: n\nstatus: s\nruns: {a: {}}\nreference: b\n",
    ],
)
def test_a_file_of_another_form_is_refused(tmp_path: Path, text: str) -> None:
    file = tmp_path / "mine.yaml"
    file.write_text(text)
    with pytest.raises(InputError, match=r"mine\.yaml"):
        load(str(file))


def test_an_unknown_experiment_is_named_with_those_there_are() -> None:
    for name in ("table11", "base", str(FOLDER / "nothing.yaml")):
        with pytest.raises(InputError, match=r"table1, table10"):
            load(name)


def test_the_readme_lists_every_experiment_and_file() -> None:
    text = (ROOT / "examples" / "README.md").read_text()
    for name in NAMES:
        assert f"| `{name}" in text, name
        runs = re.search(rf"\| `{name}[ `][^|]*\| (\d+)", text)
        if runs is not None and name != "table5":
            assert int(runs[1]) == len(load(name).rows), name
