"""Features of a corpus's clips, by any extractors, on one core or on a cluster.

    python -m preprocess.extract manifest.tsv --out FEATURES \\
        --modality text=minilm --modality audio=whisper --pool text=mean --jobs 2

Run again, it does what is missing. Under torchrun (RANK, WORLD_SIZE) or in a Slurm array each
process does its share; then the same command with ``--merge`` checks that nothing is missing and
closes the folder. A process that does the whole corpus closes it by itself.

The arrays are the same bits for every number of jobs and shards and every batch size: extractors
keep a clip's result independent of its batch, and every process computes on one thread.
"""

import argparse
import contextlib
import logging
import multiprocessing
import os
import re
import sys
import time
from collections import Counter, deque
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import FIRST_COMPLETED, Future, ProcessPoolExecutor, wait
from concurrent.futures.process import BrokenProcessPool
from dataclasses import dataclass, field
from pathlib import Path
from typing import TypeVar

from tqdm import tqdm

from mia_fairseq.errors import InputError, show_input_errors_as_sentences
from preprocess.extractors.base import MODALITIES, Clip, find_extractor
from preprocess.features import (
    append_records,
    array_path,
    check_array,
    merge,
    read_description,
    write_description,
)
from preprocess.files import full_disk
from preprocess.manifest import Manifest, read_manifest
from preprocess.sharding import Shard, find_shard
from preprocess.worker import DTYPES, POOLS, Job, Report, describe, start_worker, work

logger = logging.getLogger(__name__)

_Result = TypeVar("_Result")


@dataclass
class Summary:
    """What an extraction of one modality did."""

    modality: str
    extractor: str
    clips: int  # of this shard
    before: int = 0  # found whole from an earlier run
    done: int = 0
    failures: list[tuple[str, str]] = field(default_factory=list)
    notes: Counter[str] = field(default_factory=Counter)  # by the remark's words
    stages: dict[str, float] = field(default_factory=dict)  # seconds, summed over the jobs
    seconds: float = 0.0  # by the clock

    def add(self, report: Report) -> None:
        """Count a worker's report."""
        self.done += len(report.done)
        self.failures += report.failures
        self.notes.update(re.sub(r"\d+(\.\d+)?", "N", remark) for _, remark in report.notes)
        for stage, seconds in report.stages.items():
            self.stages[stage] = self.stages.get(stage, 0.0) + seconds

    def lines(self, shown: int = 10) -> Iterator[str]:
        """The summary in words, with the first few failures."""
        rate = f", {60 * self.done / self.seconds:.0f} clips a minute" if self.seconds else ""
        yield (
            f"{self.modality} ({self.extractor}): {self.clips} clips, {self.before} there before, "
            f"{self.done} done, {len(self.failures)} left out; {self.seconds:.1f} s{rate}"
        )
        if self.stages:
            spent = ", ".join(f"{name} {took:.1f} s" for name, took in self.stages.items())
            yield f"  time by stage, over all jobs: {spent}"
        for remark, times in self.notes.most_common(shown):
            yield f"  noted {times} times: {remark}"
        for clip_id, reason in self.failures[:shown]:
            yield f"  left out: {clip_id}: {reason}"
        if len(self.failures) > shown:
            yield f"  ... and {len(self.failures) - shown} more, in its failures.tsv"


def extract_modality(
    manifest: Manifest, job: Job, shard: Shard, jobs: int = 1, batch_size: int = 32
) -> Summary:
    """Extract what a shard lacks of one modality.

    Args:
        manifest: the corpus.
        job: extractor, pooling, dtype and the features folder.
        shard: which clips are this process's.
        jobs: worker processes; 1 works in this one.
        batch_size: clips handed to the extractor at a time.

    Raises InputError where the extractor cannot work at all, or the folder holds another make.
    """
    kind = find_extractor(job.extractor)
    if job.modality in MODALITIES and kind.modality != job.modality:
        raise InputError(f"{job.extractor} extracts {kind.modality}, not {job.modality}")
    for column in kind.columns:
        if column not in manifest.columns:
            raise InputError(
                f"{manifest.path} has no column {column!r}, which {job.extractor} needs"
            )
    clips = [row.clip() for row in shard.part(manifest.rows)]
    there = read_description(job.features, job.modality)
    if there is not None:
        _check_same(job, (job.extractor, kind.name), there)
    started = time.perf_counter()
    with _workers(jobs) as pool:
        if there is None or any(_is_lacking(job, there, clip) for clip in clips):
            there = pool.submit(describe, job).result()
            write_description(job.features, job.modality, there)
        loaded = time.perf_counter()
        lacking = [clip for clip in clips if _is_lacking(job, there, clip)]
        if kind.modality == "text":  # texts of like length make fuller batches
            lacking.sort(key=lambda clip: len(clip.text or ""))
        before = len(clips) - len(lacking)
        summary = Summary(job.modality, job.extractor, len(clips), before)
        summary.stages["load"] = loaded - started
        _run(pool, job, lacking, summary, 2 * jobs if jobs > 1 else 1, batch_size)
    summary.seconds = time.perf_counter() - started
    return summary


def _check_same(job: Job, names: tuple[str, ...], there: dict[str, object]) -> None:
    """Refuse, before anything is loaded, to add to features made in another way."""
    wanted = {"options": dict(job.options), "pool": job.pool, "dtype": job.dtype}
    if there.get("extractor") not in names:
        wanted["extractor"] = job.extractor
    for key, value in wanted.items():
        if there.get(key) != value:
            raise InputError(
                f"{job.features / job.modality} was made with {key} {there.get(key)!r}, not "
                f"{value!r}; name another --out, or remove that folder"
            )


def _is_lacking(job: Job, description: dict[str, object], clip: Clip) -> bool:
    try:
        path = array_path(job.features, job.modality, clip.id)
        fault = check_array(path, int(str(description["dim"])), job.dtype)
    except FileNotFoundError:
        return True
    if fault is not None:
        logger.warning("%s is extracted again: %s", path, fault)
    return fault is not None


def _run(
    pool: "ProcessPoolExecutor | _InThisProcess",
    job: Job,
    clips: Sequence[Clip],
    summary: Summary,
    ahead: int,
    batch_size: int,
) -> None:
    """Hand out batches, a few ahead of the workers, and put every report on record."""
    batches = deque(clips[first : first + batch_size] for first in range(0, len(clips), batch_size))
    waiting: set[Future[Report]] = set()
    with tqdm(total=summary.clips, initial=summary.before, desc=job.modality, unit="clip") as bar:
        while batches or waiting:
            while batches and len(waiting) < ahead:
                waiting.add(pool.submit(work, job, batches.popleft()))
            ready, waiting = wait(waiting, return_when=FIRST_COMPLETED)
            for future in ready:
                report = future.result()
                _put_on_record(job, report)
                summary.add(report)
                bar.update(len(report.done) + len(report.failures))


def _put_on_record(job: Job, report: Report) -> None:
    try:
        for kind, lines in (("failures", report.failures), ("notes", report.notes)):
            append_records(job.features, job.modality, kind, job.shard, lines)
        for clip_id in report.done:
            job.finish(clip_id)
    except OSError as error:
        raise full_disk(error, job.features) from error


class _InThisProcess:
    """Stands in for a pool of one worker: no second process, no second copy of a model."""

    def submit(self, function: Callable[..., _Result], *arguments: object) -> "Future[_Result]":
        future: Future[_Result] = Future()
        future.set_result(function(*arguments))
        return future


@contextlib.contextmanager
def _workers(jobs: int) -> "Iterator[ProcessPoolExecutor | _InThisProcess]":
    if jobs == 1:
        yield _InThisProcess()
        return
    context = multiprocessing.get_context("spawn")  # forked threads of torch would hang
    pool = ProcessPoolExecutor(jobs, mp_context=context, initializer=start_worker)
    try:
        yield pool
    except BrokenProcessPool as error:
        raise InputError(
            "a worker process was killed (out of memory, most likely); run the same command with "
            "fewer --jobs, it goes on where it stopped"
        ) from error
    finally:
        pool.shutdown(cancel_futures=True)


def _pairs(named: Sequence[str], flag: str) -> dict[str, str]:
    """{left: right} of ``left=right`` arguments."""
    pairs = {}
    for item in named:
        left, equals, right = item.partition("=")
        if not (equals and left and right):
            raise InputError(f"{flag} is {item!r}, expected the form NAME=VALUE")
        pairs[left] = right
    return pairs


def build_jobs(arguments: argparse.Namespace, shard: Shard) -> list[Job]:
    """A job a modality, from the command line."""
    chosen = _pairs(arguments.modality, "--modality")
    options = _pairs(arguments.option, "--option")
    pools = dict.fromkeys(chosen, "none")
    for item in arguments.pool:
        pools.update(_pairs([item], "--pool") if "=" in item else dict.fromkeys(chosen, item))
    for modality, pool in pools.items():
        if pool not in POOLS or modality not in chosen:
            raise InputError(
                f"--pool {modality}={pool}: expected one of {', '.join(chosen)} with one of "
                f"{', '.join(POOLS)}"
            )
    jobs = []
    for modality, extractor in chosen.items():
        if not re.fullmatch(r"[A-Za-z][A-Za-z0-9_]*", modality):
            raise InputError(f"modality {modality!r}: expected letters, digits and underscores")
        own = {}
        for key, value in options.items():
            owner, _, option = key.rpartition(".")
            if owner in (modality, extractor):
                own[option] = value
        jobs.append(
            Job(
                modality,
                extractor,
                arguments.out,
                tuple(sorted(own.items())),
                pools[modality],
                arguments.dtype,
                str(shard),
            )
        )
    owners = {*chosen, *chosen.values()}
    for key in options:
        if key.rpartition(".")[0] not in owners:
            raise InputError(
                f"--option {key}: expected NAME.KEY=VALUE with NAME one of "
                f"{', '.join(sorted(owners))}"
            )
    return jobs


def build_parser() -> argparse.ArgumentParser:
    """The command line."""
    parser = argparse.ArgumentParser(
        prog="python -m preprocess.extract",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("manifest", type=Path, help="manifest.tsv of the corpus")
    parser.add_argument("--out", type=Path, required=True, help="the features folder")
    parser.add_argument(
        "--modality",
        action="append",
        default=[],
        metavar="NAME=EXTRACTOR",
        help="a modality and its extractor: a name, or module:Class; may be given again",
    )
    parser.add_argument(
        "--option",
        action="append",
        default=[],
        metavar="NAME.KEY=VALUE",
        help="an option of an extractor, NAME being the modality or the extractor",
    )
    parser.add_argument(
        "--pool",
        action="append",
        default=[],
        metavar="[NAME=]POOL",
        help="one vector a clip: mean over time, or the first; none (default): the sequence",
    )
    parser.add_argument("--dtype", choices=DTYPES, default="float32")
    parser.add_argument("--jobs", type=int, default=1, help="worker processes (default 1)")
    parser.add_argument("--batch-size", type=int, default=32, help="clips a batch (default 32)")
    parser.add_argument("--shard", metavar="I/N", help="this part only; default: RANK/WORLD_SIZE")
    parser.add_argument(
        "--merge", action="store_true", help="extract nothing: check and close the folder"
    )
    return parser


def main(argv: Sequence[str] | None = None) -> None:
    """Extract, or merge, as the command line says, and tell what was done."""
    arguments = build_parser().parse_args(argv)
    if arguments.jobs < 1 or arguments.batch_size < 1:
        raise InputError("--jobs and --batch-size are counts, from 1 on")
    manifest = read_manifest(arguments.manifest)
    if arguments.merge:
        names = list(_pairs(arguments.modality, "--modality"))
        _tell(_merged(arguments.out, manifest, names))
        return
    if not arguments.modality:
        raise InputError("name what to extract, say --modality text=minilm")
    shard = find_shard(arguments.shard)
    jobs = build_jobs(arguments, shard)
    for job in jobs:
        find_extractor(job.extractor)  # told before the first modality's work, not after it
    summaries = [
        extract_modality(manifest, job, shard, arguments.jobs, arguments.batch_size) for job in jobs
    ]
    for fault in manifest.faults:
        _tell([f"left out of every modality: {fault.id}: {fault.reason}"])
    for summary in summaries:
        _tell(summary.lines())
    if shard.count == 1:
        _tell(_merged(arguments.out, manifest, [job.modality for job in jobs]))
    else:
        _tell([f"shard {shard} ended; when all have, run the same command with --merge"])
    for summary in summaries:
        if summary.failures and not summary.done + summary.before:
            raise InputError(
                f"{summary.modality}: none of {summary.clips} clips gave features; the first, "
                f"{summary.failures[0][0]}: {summary.failures[0][1]}"
            )


def _merged(features: Path, manifest: Manifest, modalities: Sequence[str]) -> Iterator[str]:
    lacking = merge(features, manifest, modalities)
    rows = len(manifest.rows)
    yield f"{features}: {rows} clips" + (
        f", and {len(manifest.faults)} rows of the manifest left out (manifest_faults.tsv)"
        if manifest.faults
        else ""
    )
    for modality, count in lacking.items():
        told = f", {count} without (see {modality}/failures.tsv)" if count else ""
        yield f"  {modality}: {rows - count} with features{told}"


def _tell(lines: Iterable[str]) -> None:
    for line in lines:
        sys.stdout.write(line + "\n")


if __name__ == "__main__":
    show_input_errors_as_sentences()
    logging.basicConfig(level=logging.INFO, format="%(levelname)s %(name)s: %(message)s")
    os.environ.setdefault("OMP_NUM_THREADS", "1")
    main()
