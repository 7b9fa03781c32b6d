"""Start-up and memory over the size of the corpus: 1, 10 and 100 times MOSI's rows.

    python -m examples.benchmarks.corpora.corpus_size [--times 1 10 100] [--quick] [--json FILE]

Features are GENERATED, one vector of 384 (text), 384 (audio) and 128 (video) numbers a row, as
the lite set's pooled ones; 100 times the rows are about 0.8 GB in a temporary folder. For each
size a fresh process imports torch and fairseq, and then, timed, the plugin; opens the corpus;
builds task, model (with the training split's statistics), criterion and iterator as fairseq-train
does; takes one training step (`start-up` ends here); and iterates over the rest of the training
split, collating every batch. What torch imports only when its first optimizer is made is part of
start-up, and told apart (`torch late`).

Memory is told apart as Linux does: `private` is what the process itself holds and what can run
out, `mapped` are pages of files (libraries, and a corpus that is memory-mapped), `resident` is the
most of both together at any time.
"""

import argparse
import importlib
import tempfile
import time
from pathlib import Path
from typing import Any

from examples.benchmarks.corpus import MOSI_ROWS, write_corpus
from examples.benchmarks.processes import in_fresh_process, resident
from examples.benchmarks.timing import TimingReport, arguments, machine, start

LITE_DIMS = {"text": 384, "audio": 384, "video": 128}
BATCH = 18


def visit(data: str) -> dict[str, Any]:
    """Opens a corpus, takes a step, and collates an epoch; in a fresh process."""
    import torch
    from fairseq import options
    from fairseq.dataclass.utils import convert_namespace_to_omegaconf
    from fairseq.tasks import setup_task

    from mia_fairseq.plugin import register

    before, begun = resident("VmRSS"), time.perf_counter()
    importlib.import_module("torch._dynamo")
    late = time.perf_counter() - begun
    register()
    flags = [data, "--task", "multimodal_affect", "--cpu"]
    flags += ["--arch", "mia_net", "--criterion", "mae_krl", "--batch-size", str(BATCH)]
    parser = options.get_training_parser()
    cfg = convert_namespace_to_omegaconf(options.parse_args_and_arch(parser, flags))
    task = setup_task(cfg.task)
    model = task.build_model(cfg.model)
    criterion = task.build_criterion(cfg.criterion)
    task.load_dataset("train")
    dataset = task.dataset("train")
    batches = task.get_batch_iterator(dataset, max_sentences=BATCH, seed=1).next_epoch_itr()
    loss, _, _ = criterion(model, next(batches))
    loss.backward()
    torch.optim.Adam(model.parameters()).step()
    ready = time.perf_counter()
    private = resident("RssAnon")
    rows = BATCH
    for batch in batches:
        rows += batch["nsentences"]
        private = max(private, resident("RssAnon")) if rows % 100 < BATCH else private
    epoch = time.perf_counter() - ready
    return {
        "start-up s": ready - begun,
        "torch late s": late,
        "epoch's loading s": epoch,
        "us a row": 1e6 * epoch / max(rows - BATCH, 1),
        "before MiB": before,
        "most private MiB": max(private, resident("RssAnon")),
        "most mapped MiB": resident("RssFile"),
        "most resident MiB": resident("VmHWM"),
        "rows": rows,
    }


def measure(args: argparse.Namespace) -> TimingReport:
    """One fresh process a size."""
    report = TimingReport("Size of the corpus", {**machine(), **LITE_DIMS, "batch": BATCH})
    table = []
    sizes = [0.02, 0.04] if args.quick else args.times
    for times in sizes:
        with tempfile.TemporaryDirectory() as folder:
            data = Path(folder) / "DATA"
            rows = {split: max(1, round(times * count)) for split, count in MOSI_ROWS.items()}
            write_corpus(data, LITE_DIMS, rows, args.seed)
            table.append({"times MOSI": times, **in_fresh_process(visit, str(data))})
    report.tables["a fresh process each"] = table
    for name in ("most private MiB", "most resident MiB", "start-up s"):
        report.ratios[f"{name}, the last against the first"] = table[-1][name] / table[0][name]
    return report


if __name__ == "__main__":
    parser = arguments(__doc__)
    parser.add_argument("--times", nargs="+", type=float, default=[1, 10, 100])
    start(measure, parser)
