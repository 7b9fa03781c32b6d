"""Extraction of one modality: what is missing is handed to workers, and put on record when done."""

import contextlib
import logging
import multiprocessing
import re
import time
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import FIRST_COMPLETED, Future, ProcessPoolExecutor, wait
from concurrent.futures.process import BrokenProcessPool
from dataclasses import dataclass, field, replace
from typing import TypeVar

from tqdm import tqdm

from mia_fairseq.data.format.kinds import KINDS
from mia_fairseq.data.views.cut_rows import NAMED
from mia_fairseq.errors import InputError
from mia_fairseq.files import only_writer, telling_full_disk
from preprocess.extraction.feature_folder import (
    append_records,
    array_path,
    check_array,
    forget_notes,
    is_empty,
    read_description,
    write_description,
)
from preprocess.extraction.sharding import Shard
from preprocess.extraction.worker import Job, Report, describe, dictionary, start_worker, work
from preprocess.extractors.base import MODALITIES, Clip, Extractor, find_extractor
from preprocess.tables.manifest import Manifest

logger = logging.getLogger(__name__)

FILLED_IN = "fill it in with python -m preprocess.transcribe"
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
    notes: dict[str, list[str]] = field(default_factory=dict)  # clips by the remark's words
    stages: dict[str, float] = field(default_factory=dict)  # seconds, summed over the jobs
    seconds: float = 0.0  # by the clock

    def add(self, report: Report) -> None:
        """Count a worker's report."""
        self.done += len(report.done)
        self.failures += report.failures
        for clip_id, remark in report.notes:
            self.notes.setdefault(re.sub(r"\d+(\.\d+)?", "N", remark), []).append(clip_id)
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
        for remark, clips in sorted(self.notes.items(), key=lambda note: -len(note[1]))[:shown]:
            named = ", ".join(clips[:NAMED]) + (", ..." if len(clips) > NAMED else "")
            yield f"  noted {len(clips)} times: {remark} ({named}; notes.tsv)"
        for clip_id, reason in self.failures[:shown]:
            yield f"  left out: {clip_id}: {reason}"
        if len(self.failures) > shown:
            yield f"  ... and {len(self.failures) - shown} more, in its failures.tsv"


def settle(job: Job, manifest: Manifest) -> Job:
    """The job with options that depend on the whole corpus filled in, the same in every shard.

    Raises:
        InputError: there is no such extractor, or its output cannot be pooled.
    """
    kind = find_extractor(job.extractor)
    options = kind.settle_options(dict(job.options), (row.clip() for row in manifest.rows))
    settled = replace(job, options=tuple(sorted(options.items())))
    if kind.kind == "features":
        return settled
    if job.pool != "none":
        raise InputError(
            f"--pool {job.modality}={job.pool}: {job.extractor} gives {kind.kind}, which the model "
            "pools; say --pool for the other modalities by name"
        )
    return replace(settled, dtype=KINDS[kind.kind].extracted[0])


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

    Raises:
        InputError: the extractor cannot work at all, the folder holds another make, or another
            process is extracting the same shard into it.
    """
    kind = find_extractor(job.extractor)
    if job.modality in MODALITIES and kind.modality != job.modality:
        raise InputError(f"{job.extractor} extracts {kind.modality}, not {job.modality}")
    for column in kind.columns:
        if column not in manifest.columns:
            mend = f"; {FILLED_IN}" if column == "text" else ""
            raise InputError(
                f"{manifest.path} has no column {column!r}, which {job.extractor} needs{mend}"
            )
    clips = [row.clip() for row in shard.part(manifest.rows)]
    with only_writer(job.features / f"{job.modality}.{job.shard}"):
        return _extract_clips(job, kind, clips, jobs, batch_size)


def _extract_clips(
    job: Job, kind: type[Extractor], clips: list[Clip], jobs: int, batch_size: int
) -> Summary:
    """What `extract_modality` does, as the only process that does it."""
    there = read_description(job.features, job.modality)
    if there is not None:
        _check_same(job, (job.extractor, kind.name), there)
    started = time.perf_counter()
    with _workers(jobs) as pool:
        lacking = clips if there is None else _lacking(job, there, clips)
        if lacking:
            made_by = pool.submit(describe, job).result()
            symbols = pool.submit(dictionary, job).result()
            write_description(job.features, job.modality, made_by, symbols)
            lacking = _lacking(job, made_by, clips) if there is None else lacking
        loaded = time.perf_counter()
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


def _lacking(job: Job, description: dict[str, object], clips: Sequence[Clip]) -> list[Clip]:
    """The clips without a whole array of that make."""
    lacking, worded = [], []
    wordy = find_extractor(job.extractor).modality == "text"
    for clip in clips:
        path = array_path(job.features, job.modality, clip.id)
        try:
            fault = check_array(path, description)
        except FileNotFoundError:
            lacking.append(clip)
            continue
        if fault is None and wordy and (clip.text or "").strip() and is_empty(path):
            fault = "it is empty, though the clip has words"
            worded.append(clip.id)
        if fault is not None:
            logger.warning("%s is extracted again: %s", path, fault)
            lacking.append(clip)
    if worded:
        forget_notes(job.features, job.modality, job.shard, set(worded))
    return lacking


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
    with telling_full_disk(job.features):
        for kind, lines in (("failures", report.failures), ("notes", report.notes)):
            append_records(job.features, job.modality, kind, job.shard, lines)
        for clip_id in report.done:
            job.finish(clip_id)


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
