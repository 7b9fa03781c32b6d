"""The complexity command against models worked out by hand, and against the issue's bounds."""

import json
from pathlib import Path

import pytest

from mia_fairseq.complexity.__main__ import main, one_more
from mia_fairseq.complexity.cost import SetUp, architectures, grow, measure
from mia_fairseq.complexity.cost_table import PAPER
from mia_fairseq.complexity.operations import Operations
from mia_fairseq.errors import InputError
from mia_fairseq.modules.fast_attention import chebyshev

DIMS = {"text": 8, "audio": 6, "video": 5}
TABLE_10 = SetUp({"text": 1024, "audio": 768, "video": 256})


def test_the_shared_parts_by_hand() -> None:
    cost = measure("unimodal", SetUp({"text": 8}, outputs=3, settings=("ffn_dim=10",)))
    assert cost.parameters == {
        "adapters": 8 * 8 + 8,
        "fusion": 0,
        "ffn": 8 * 10 + 10 + 10 * 8 + 8,
        "head": 8 * 3 + 3,
    }
    operations = cost.operations
    assert operations["adapters"] == Operations(64, 0, 0)  # one linear layer, its bias within
    assert operations["fusion"] == Operations()
    # Two residual sums and a ReLU.
    assert operations["ffn"] == Operations(160, 8 + 8 + 10, 0)
    assert operations["head"] == Operations(24, 0, 0)
    # One vector is its own segment; mean, deviation, mask, and presence in pooling and adapter.
    assert operations["input"] == Operations(0, 5 * 8, 0)


def test_concat_by_hand() -> None:
    cost = measure("concat", SetUp(DIMS, channels=2))
    assert cost.parameters["fusion"] == 19 * 8 + 8
    assert cost.operations["fusion"] == Operations(2 * 19 * 8, 0, 0)


def test_lmf_by_hand() -> None:
    cost = measure("lmf", SetUp(DIMS, settings=("lmf_rank=3",)))
    assert cost.parameters["fusion"] == 3 * 8 * (8 + 1 + 6 + 1 + 5 + 1) + 8
    # Two products and the sum of 3 · 8 numbers, and the bias.
    assert cost.operations["fusion"] == Operations(3 * 8 * 19, 3 * 24 + 8, 0)


def test_tfn_by_hand() -> None:
    cost = measure("tfn", SetUp(DIMS, settings=("tfn_dim=2",)))
    assert cost.parameters["fusion"] == 2 * 19 + 6 + 27 * 128 + 128 + 128 * 8 + 8
    # Presence and ReLU of 3 · 2 numbers; a product of 9; the hidden layer's bias and ReLU.
    macs = 2 * 19 + 9 * 3 * 128 + 3 * 128 + 128 * 8  # two of the three, then the last
    expected = Operations(macs, 2 * 6 + 9 + 2 * 128, 0)
    assert cost.operations["fusion"] == expected


def test_a_process_that_has_counted_before_counts_the_same() -> None:
    kept = [part for part in vars(chebyshev).values() if hasattr(part, "cache_clear")]
    assert kept
    for function in kept:
        function.cache_clear()
    assert measure("mia_net", TABLE_10) == measure("mia_net", TABLE_10)


def test_the_papers_model_keeps_the_bounds_of_table_10() -> None:
    three = measure("mia_net", TABLE_10)
    four = measure("mia_net", TABLE_10.with_dims(one_more(TABLE_10.dims, ())))
    flops, parameters = PAPER["mia_net"][0]
    assert three.core_parameters <= parameters * 1e6
    assert three.core_operations.total <= flops * 1e6
    assert four.core_parameters - three.core_parameters <= 0.001 * three.core_parameters
    added = four.core_operations.total - three.core_operations.total
    assert 0 < added <= (PAPER["mia_net"][1][0] - flops) * 1e6


def test_the_papers_model_grows_linearly_in_the_number_of_modalities() -> None:
    growth = grow("mia_net", TABLE_10, 16)
    assert growth["modalities"] == list(range(2, 17))
    assert growth["r_squared"] >= 0.99
    assert growth["parameters"][-1] - growth["parameters"][0] == 14 * 12


def test_longer_sequences_cost_the_cross_transformer_more() -> None:
    short, long = (measure("cross_transformer", SetUp(DIMS, steps=n)) for n in (1, 9))
    assert long.operations["fusion"].macs > 2 * short.operations["fusion"].macs
    short, long = (measure("concat", SetUp(DIMS, steps=n)) for n in (1, 9))
    assert long.operations["fusion"] == short.operations["fusion"]


def test_one_more_is_a_copy_of_the_largest_auxiliary_or_the_given() -> None:
    assert one_more(DIMS, ()) == {**DIMS, "audio_copy": 6}
    assert one_more(DIMS, ["gaze=3"]) == {**DIMS, "gaze": 3}
    with pytest.raises(InputError, match="another name"):
        one_more(DIMS, ["audio=3"])


def test_the_command_reports_every_fusion(tmp_path: Path, capsys: pytest.CaptureFixture) -> None:
    main(["--modalities", "text=8", "audio=6", "video=5", "--json", str(tmp_path / "c" / "o.json")])
    report, shown = json.loads((tmp_path / "c" / "o.json").read_text()), capsys.readouterr().out
    assert list(report["fusions"]) == architectures()
    assert report["with_one_more"] == {**DIMS, "audio_copy": 6}
    for arch, found in report["fusions"].items():
        assert shown.count(f"| {arch} |") == 5, arch
        parts = found["given"]["operations"]
        core = sum(parts[part]["total"] for part in ("fusion", "ffn", "head"))
        assert parts["fusion_ffn_head"]["total"] == core
    row = "| mia_net | 0.001 | 0.000 | 0.001 | 0.000 | 0.000 | 9.33 |"
    assert row in shown and "42.10" in shown
    assert [path.name for path in (tmp_path / "c").iterdir()] == ["o.json"]


def test_growth_and_refusals_are_shown(capsys: pytest.CaptureFixture) -> None:
    small = ["--modalities", "text=8", "audio=6", "--arch", "tfn"]
    main([*small, "--set", "tfn_dim=127", "--extra", "gaze=2", "--growth", "5"])
    shown = capsys.readouterr().out
    assert shown.count("- tfn: --arch tfn: the outer product of 3 modalities of width 127") == 1
    assert "tfn over the number of modalities" in shown and "R²" not in shown
    main([*small, "--growth", "4"])
    assert "R² of a straight line" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("flags", "message"),
    [
        (["--modalities", "text=8"], "two or more"),
        (["--modalities", "text=8", "audio"], "MODALITY=DIM"),
        (["--modalities", "text=8", "audio=0"], "MODALITY=DIM"),
        (["--modalities", "text=8", "text=6"], "twice"),
        (["--arch", "mia_nut"], "expected one of bbfn"),
        (["--set", "ffn_dims=4"], "expected a setting"),
        (["--arch", "mha", "--set", "lmf_rank=4"], "one of mha"),
        (["--growth", "1"], "2 modalities or more"),
        (["--channels", "0"], "1 or more"),
    ],
)
def test_what_the_command_refuses(flags: list[str], message: str) -> None:
    with pytest.raises(InputError, match=message):
        main(flags)
