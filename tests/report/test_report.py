"""The report of every state that runs can be in, and in a real browser."""

import csv
import json
import re
import shutil
from pathlib import Path
from urllib.parse import unquote

import numpy as np
import pytest
from harness import make_store
from made_up_runs import evaluation, in_browser, make, write_index, write_seed
from torch.utils.tensorboard import SummaryWriter

from mia_fairseq.errors import InputError
from mia_fairseq.experiments.plan import INDEX_FORMAT
from mia_fairseq.experiments.specification.experiment import load
from mia_fairseq.report import __main__ as report_module


@pytest.fixture
def two_rows(tmp_path: Path) -> Path:
    """Table 4 with two of its rows, one of them better."""
    runs = tmp_path / "runs"
    data = make_store(tmp_path / "DATA", {"text": 3, "audio": 2})
    meta = json.loads((data / "meta.json").read_text())
    (data / "meta.json").write_text(json.dumps({**meta, "corpus": "CMU-MOSI"}))
    write_index(runs, "table4", {"Text-only": "Text-only", "TAV-MIA": "TAV-MIA"}, data)
    for seed in (1, 2):
        write_seed(runs / "all" / "Text-only" / f"seed{seed}", noise=1.5)
        write_seed(runs / "all" / "TAV-MIA" / f"seed{seed}", noise=0.5)
    return runs


def test_ours_stands_beside_the_papers_and_what_differs_is_said(two_rows: Path) -> None:
    page, text = make(two_rows, two_rows)
    claim = "Claim: Text tells most, audio and video each add a little to it"
    assert claim in page and claim in text
    ours = next(line for line in text.splitlines() if line.startswith("| TAV-MIA"))
    seeds = [json.loads(p.read_text()) for p in sorted(two_rows.glob("all/TAV-MIA/*/test.json"))]
    maes = [seed["mae"] for seed in seeds]
    expected = f"| 2 × n = 60 | {np.mean(maes):.3f} ± {np.std(maes, ddof=1):.3f} ["
    assert expected in ours
    difference = re.search(r"\| -0\.(\d+) \[-0\.\d+, -0\.\d+\], p 0\.0", ours)
    assert difference is not None, ours  # less MAE than the reference, and surely so
    published = next(line for line in text.splitlines() if "published: TAV-MIA" in line)
    assert "| 0.5335 |" in published and "| 0.8979 |" in published and "| 0.59 |" in published
    differs = next(line for line in text.splitlines() if "differs from published rows" in line)
    assert "rows: ours on 60 rows, the paper's on 686" in differs
    assert "our features text test 3, audio test 2; the paper's text RoBERTa-large" in differs
    assert "published: Audio-only" in text and "rows of truth 0 (non0" in text
    assert page.count("<img") == 5  # differences; a scatter and a confusion of two rows
    assert "Training curves" not in page  # these runs have none
    assert "TAV-MIA leads by mae" in page and "beyond chance" in text


def test_the_same_runs_give_the_same_bytes(two_rows: Path) -> None:
    assert make(two_rows, two_rows) == make(two_rows, two_rows / "table4")


def test_an_evaluation_in_another_way_is_compared_with_its_own_model(two_rows: Path) -> None:
    file = two_rows / "table4" / "index.json"
    index = json.loads(file.read_text())
    (tested,) = index["rows"][1]["evaluations"]
    more = evaluation("test-no_audio", "TAV-MIA: no audio", Path(tested["data"]), of="TAV-MIA")
    index["rows"][1]["evaluations"].append(more)
    file.write_text(json.dumps(index))
    for seed in (1, 2):
        folder = two_rows / "all" / "TAV-MIA" / f"seed{seed}"
        for kind in ("json", "tsv"):
            shutil.copy(folder / f"test.{kind}", folder / f"test-no_audio.{kind}")
    _, text = make(two_rows, two_rows)
    row = next(line for line in text.splitlines() if line.startswith("| TAV-MIA: no audio"))
    assert "+0.000 [" in row and ", to TAV-MIA |" in row


def test_no_runs_at_all(tmp_path: Path) -> None:
    page, text = make(tmp_path)
    assert "No runs were given." in page and "No runs were given." in text
    (tmp_path / "empty").mkdir()
    page, _ = make(tmp_path, tmp_path / "empty", tmp_path / "nothing")
    assert "holds no runs" in page and "there is no such folder" in page


def test_planned_runs_none_of_which_is_finished(two_rows: Path) -> None:
    shutil.rmtree(two_rows / "all")
    page, text = make(two_rows, two_rows)
    assert "0 of 2 seeds are finished" in page and "published: TAV-MIA" in text


def test_one_run(two_rows: Path) -> None:
    shutil.rmtree(two_rows / "all" / "Text-only")
    shutil.rmtree(two_rows / "all" / "TAV-MIA" / "seed2")
    _, text = make(two_rows, two_rows)
    ours = next(line for line in text.splitlines() if line.startswith("| TAV-MIA"))
    assert "1 of 2 seeds are finished" in ours and "±" not in ours and "less" not in text


def test_seeds_that_were_not_asked_for_or_are_of_other_rows(two_rows: Path) -> None:
    folder = two_rows / "all" / "TAV-MIA"
    write_seed(folder / "seed3", noise=9)  # of an earlier command with more seeds
    data = json.loads((two_rows / "table4" / "index.json").read_text())["rows"][0]["data"]
    made = {"data": data, "content_sha256": "of other rows"}
    (folder / "seed2" / "run.json").write_text(json.dumps(made))
    _, text = make(two_rows, two_rows)
    ours = next(line for line in text.splitlines() if line.startswith("| TAV-MIA"))
    assert "| 2 × n = 60 |" in ours
    assert "seed2: of other rows than DATA has now; run again" in ours


def test_failed_broken_and_old_runs_are_named_in_their_row(two_rows: Path) -> None:
    first, second = (two_rows / "all" / "Text-only" / f"seed{seed}" for seed in (1, 2))
    (first / "failed.txt").write_text("fairseq-train ...\nout of <memory>\n")
    (first / "test.json").unlink()
    old = json.loads((second / "test.json").read_text())
    (second / "test.json").write_text(json.dumps({**old, "format": 0}))
    (two_rows / "all" / "TAV-MIA" / "seed1" / "test.json").write_text('{"format": 1, "n":')
    (two_rows / "all" / "TAV-MIA" / "seed2" / "test.tsv").unlink()
    page, text = make(two_rows, two_rows)
    assert "seed1 failed: out of &lt;memory&gt;" in page
    assert (
        "seed2: test.json cannot be read (format 0, this version reads 1); evaluate again" in page
    )
    assert "seed1: test.json cannot be read" in page
    assert "seed2: test.tsv is missing, so there are no intervals" in page
    assert "| TAV-MIA | 1 × n = 60 |" in text


def test_seeds_of_different_rows_have_no_interval(two_rows: Path) -> None:
    shutil.rmtree(two_rows / "all" / "TAV-MIA" / "seed2")
    write_seed(two_rows / "all" / "TAV-MIA" / "seed2", rows=50)
    _, text = make(two_rows, two_rows)
    ours = next(line for line in text.splitlines() if line.startswith("| TAV-MIA"))
    assert "2 × n = 50 / 60" in ours and "its seeds predict different utterances" in ours


def test_rows_on_other_utterances_are_not_compared(two_rows: Path) -> None:
    for seed in (1, 2):
        shutil.rmtree(two_rows / "all" / "TAV-MIA" / f"seed{seed}")
        write_seed(two_rows / "all" / "TAV-MIA" / f"seed{seed}", rows=50)
    _, text = make(two_rows, two_rows)
    assert "not compared with 'Text-only', whose utterances are others" in text


def test_mixed_corpora_and_kinds_of_labels_stand_apart(tmp_path: Path) -> None:
    runs = tmp_path / "recipe"
    write_seed(runs / "a" / "seed1", corpus="CMU-MOSI")
    write_seed(runs / "b" / "seed1", corpus="CMU-MOSEI")
    write_seed(runs / "c_of_classes" / "seed1", corpus="MELD", classes=True)
    write_seed(runs / "d" / "seed1", corpus="CMU-MOSI")
    write_seed(runs / "d" / "seed2", corpus="CMU-MOSEI")
    (runs / "e" / "seed1").mkdir(parents=True)
    page, text = make(tmp_path, runs)
    for title in ("CMU-MOSI, scores", "CMU-MOSEI, scores", "MELD, classes", "unknown corpus"):
        assert f"### {title}" in text
    assert "its seeds are of different data" in text and "1 seeds are not finished" in text
    assert "| c of classes | 1 × n = 60 |" in text and "f1.anger" in text
    assert "confusion" in page or "truth against prediction" in page


@pytest.mark.parametrize(
    "content", ["", "[]", '{"format": 0, "rows": []}', '{"format": 1, "rows": [{}]}']
)
def test_a_broken_index_is_said(two_rows: Path, content: str) -> None:
    (two_rows / "table4" / "index.json").write_text(content)
    assert "index.json: cannot be read" in make(two_rows, two_rows)[0]
    whole = {"format": INDEX_FORMAT, "experiment": "table4", "rows": [{"row": "x"}]}
    (two_rows / "table4" / "index.json").write_text(json.dumps(whole))
    assert "a row lacks" in make(two_rows, two_rows)[0]
    (two_rows / "table4" / "index.json").write_text(json.dumps({**whole, "rows": []}))
    assert "no run has been planned" in make(two_rows, two_rows)[0]


def test_data_that_is_gone_is_said(two_rows: Path, tmp_path: Path) -> None:
    shutil.rmtree(tmp_path / "DATA")
    assert "is not there any more" in make(two_rows, two_rows)[0]


EPOCHS = 50
LARGEST = 140_000  # of a page of 22 rows; of all experiments, most of fewer rows, 3 MB


def test_of_many_rows_the_best_ones_training_is_drawn(tmp_path: Path) -> None:
    runs = tmp_path / "runs"
    data = make_store(tmp_path / "DATA", {"text": 3})
    names = [row.name for row in load("fusions").rows]
    assert names[0] == "MIA-Net" and len(names) > 12  # its reference
    write_index(runs, "fusions", dict.fromkeys(names, ""), data)
    for place, name in enumerate(names):
        for seed in (1, 2):
            folder = runs / "all" / name / f"seed{seed}"
            write_seed(folder, noise=2 - place / len(names), rows=300)
            for phase in ("train", "valid"):
                with SummaryWriter(str(folder / "tensorboard" / phase)) as curve:
                    for update in range(1, EPOCHS + 1):
                        for tag in ("loss", "mae"):
                            curve.add_scalar(tag, seed / update, update)
    page, _ = make(runs, runs)
    assert len(page) < LARGEST
    told = f"of the 6 rows that lead and of the reference, of {len(names)} in all"
    assert told in page
    answer, curves, *_ = (unquote(image) for image in re.findall(r'src="(data:[^"]+)"', page))
    drawn = [name for name in names if f">{name}</text>" in curves]
    assert drawn == ["MIA-Net", *names[-6:]]
    places = [answer.index(f">{name}</text>") for name in reversed(names) if name != "MIA-Net"]
    assert places == sorted(places, reverse=places[0] > places[-1])  # by rank


@pytest.mark.parametrize("experiment", ["fig2", "robustness", "table7"])
def test_curves_over_a_setting_are_drawn(tmp_path: Path, experiment: str) -> None:
    runs = tmp_path / "runs"
    data = make_store(tmp_path / "DATA", {"text": 3})
    names = {
        "fig2": ("MIA-Net, channels 1, gamma 0.1", "MIA-Net, channels 1, gamma 0.2"),
        "table7": ("N = 2", "N = 3"),
        "robustness": ("MIA-Net",),
    }[experiment]
    write_index(runs, experiment, dict.fromkeys(names, ""), data)
    for name in names:
        write_seed(runs / "all" / name / "seed1")
    if experiment == "robustness":
        file = runs / experiment / "index.json"
        index = json.loads(file.read_text())
        for name in ("noise audio 1", "no audio"):
            stem = f"test-{name.replace(' ', '_')}"
            index["rows"][0]["evaluations"].append(evaluation(stem, f"MIA-Net: {name}", data))
        file.write_text(json.dumps(index))
        for kind in ("json", "tsv"):
            for name in ("noise_audio_1", "no_audio"):
                source = runs / "all" / "MIA-Net" / "seed1" / f"test.{kind}"
                shutil.copy(source, source.with_name(f"test-{name}.{kind}"))
    page, text = make(runs, runs)
    assert page.count("<img") >= 4 and "the band is the 95 % interval" in page
    assert ("| MIA-Net: noise audio 1 |" in text) == (experiment == "robustness")


def test_what_a_command_printed_is_shown(tmp_path: Path) -> None:
    folder = tmp_path / "runs" / "table10"
    folder.mkdir(parents=True)
    (folder / "printed.md").write_text("# Cost\n\n| fusion | <b> |\n")
    page, text = make(tmp_path, tmp_path / "runs")
    assert "| fusion | &lt;b&gt; |" in page and "# Cost" in text
    assert "published: TFN" in text and "137.97" in text


def test_tables_for_a_paper_and_for_a_spreadsheet(two_rows: Path) -> None:
    report_module.main([str(two_rows), "--out", str(two_rows / "r.html"), "--csv", "--latex"])
    with (two_rows / "r.csv").open() as table:
        lines = list(csv.DictReader(table))
    maes = {line["row"]: line for line in lines if line["metric"] == "mae" and line["seeds"]}
    seeds = [json.loads(p.read_text()) for p in sorted(two_rows.glob("all/TAV-MIA/*/test.json"))]
    assert float(maes["TAV-MIA"]["mean"]) == np.mean([seed["mae"] for seed in seeds])
    assert maes["TAV-MIA"]["compared_to"] == "Text-only" and float(maes["TAV-MIA"]["p_holm"]) < 0.05
    text = (two_rows / "r.tex").read_text()
    assert r"acc2\_has0" in text and r"$\pm$" in text and text.count(r"\begin{tabular}") == 1
    (row,) = [line for line in text.splitlines() if line.startswith("TAV-MIA")]
    heads = text.partition("\\toprule\n")[2].splitlines()[0]
    assert row.endswith(r"\\") and row.count(" & ") == heads.count(" & ") > 5


def test_one_training_and_one_evaluation_by_their_files(two_rows: Path, tmp_path: Path) -> None:
    folder = two_rows / "all" / "TAV-MIA" / "seed1"
    (folder / "checkpoint_best.pt").write_bytes(b"")
    mae = json.loads((folder / "test.json").read_text())["mae"]
    for given in (folder, folder / "test.json", folder / "test.tsv"):
        page, text = make(tmp_path, given, attention=True)
        assert f"mae {mae:.3f}." in text and f"| test | 1 × n = 60 | {mae:.3f} [" in text
        assert "against prediction" not in page and "<img" in page
    (tmp_path / "other.json").write_text("{}")
    assert "holds no results (format None" in make(tmp_path, tmp_path / "other.json")[0]
    (tmp_path / "CKPT").mkdir()
    (tmp_path / "CKPT" / "checkpoint_best.pt").write_bytes(b"")
    assert "no curves" in make(tmp_path, tmp_path / "CKPT")[1]


def test_flags_that_make_no_sense_are_refused(tmp_path: Path) -> None:
    for flags in (["--resamples", "1"], ["--out", "report.pdf"]):
        with pytest.raises(InputError, match=r"100 or more and an \.html file"):
            report_module.main([str(tmp_path), *flags])


def test_attention_that_cannot_be_shown_is_said(two_rows: Path) -> None:
    page, _ = make(two_rows, two_rows, attention=True)
    assert "no checkpoint or predictions, so no attention is shown" in page
    for seed in (1, 2):
        for row in ("Text-only", "TAV-MIA"):
            checkpoint = two_rows / "all" / row / f"seed{seed}" / "checkpoint_best.pt"
            checkpoint.write_bytes(b"no checkpoint")
    page, _ = make(two_rows, two_rows, attention=True)
    assert "attention cannot be shown" in page


def test_a_browser_opens_it_offline_and_draws_every_picture(two_rows: Path, tmp_path: Path) -> None:
    page, _ = make(tmp_path, two_rows)
    assert not re.findall(r'(?:src|href)="(?!#|data:)[^"]*"', page)
    drawn = "[...document.images].filter(i => i.complete && i.naturalWidth > 0).length"
    assert page.count("<img") == page.count('<img loading="lazy"') > 0  # drawn when scrolled to
    assert in_browser(page.replace('"lazy"', '"eager"'), drawn, tmp_path) == str(page.count("<img"))


def test_a_press_on_a_head_sorts_and_published_rows_stay_below(
    two_rows: Path, tmp_path: Path
) -> None:
    page, _ = make(tmp_path, two_rows)
    heads = "[...document.querySelectorAll('table.sortable th button')]"
    names = "[...document.querySelectorAll('table.sortable td:first-child')]"
    for presses, first in ((1, "TAV-MIA"), (2, "Text-only")):
        press = f"{heads}.find(b => b.textContent == 'mae').click(); " * presses
        order = f"{names}.map(c => c.dataset.value).join('; ')"
        found = in_browser(page, f"(() => {{ {press} return {order} }})()", tmp_path).split("; ")
        assert found[0] == first and len(found) == 8
        assert all(name.startswith("published: ") for name in found[2:])
