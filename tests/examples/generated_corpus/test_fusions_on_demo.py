"""Every fusion learns the demo's corpus, and better than text alone."""

import pytest

from examples.generated_corpus.fusions_on_demo import learn, main, mean_label
from mia_fairseq.complexity.cost import architectures

EPOCHS = 4
SMALL = {  # the same fusions, quicker
    "cross_transformer": ("fusion_layers=1", "fusion_dim=32"),
    "tfn": ("tfn_dim=8",),
}
GAIN = {"cm_bert": 1.0}  # its auxiliaries say how much words weigh, and add nothing of their own


@pytest.fixture(scope="module")
def text_alone() -> float:
    return learn("unimodal", 1, EPOCHS)


@pytest.mark.parametrize("arch", [name for name in architectures() if name != "unimodal"])
def test_beats_text_alone_and_by_far_the_mean_label(arch: str, text_alone: float) -> None:
    error = learn(arch, 1, EPOCHS, SMALL.get(arch, ()))
    assert error < GAIN.get(arch, 0.95) * text_alone < 0.5 * mean_label(1)


def test_the_same_seed_gives_the_same_figure() -> None:
    assert learn("concat", 2, 1) == learn("concat", 2, 1) != learn("concat", 3, 1)


def test_the_table_has_every_fusion(
    capsys: pytest.CaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    learn_short = "examples.generated_corpus.fusions_on_demo.learn"
    monkeypatch.setattr(learn_short, lambda arch, seed, epochs: 0.5)
    main(["--seed", "3"])
    shown = capsys.readouterr().out
    assert all(f"| {arch} | 0.500 |" in shown for arch in architectures())
    assert "GENERATED" in shown and "seed 3" in shown
