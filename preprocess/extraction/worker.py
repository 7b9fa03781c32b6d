"""One process's part of an extraction: clips in, arrays under temporary names and a report out.

The process that gathers the reports (`preprocess.extract`) puts them on record and only then moves
the arrays to their names; so a clip that has its array also has its notes, whenever it is killed.
"""

import contextlib
import logging
import multiprocessing
import os
import sys
import threading
import time
import uuid
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from mia_fairseq.data.format.kinds import KINDS
from mia_fairseq.errors import InputError, reason_of
from mia_fairseq.files import telling_full_disk
from preprocess.extraction.feature_folder import array_path
from preprocess.extractors.base import Clip, Extractor, Failure, build_extractor

logger = logging.getLogger(__name__)

POOLS = ("none", "mean", "first")


@dataclass(frozen=True)
class Job:
    """What to extract for one modality, and where to."""

    modality: str
    extractor: str
    features: Path
    options: tuple[tuple[str, str], ...] = ()
    pool: str = "none"  # one of POOLS
    dtype: str = "float32"  # one of data.format.kinds.DTYPES, or what `settle` says of other kinds
    shard: str = "0-of-1"
    run: str = field(default_factory=lambda: uuid.uuid4().hex, compare=False)

    def partial_path(self, clip_id: str) -> Path:
        """The temporary name of a clip's array; this run's own, and not to be foretold."""
        return self.features / self.modality / f".{clip_id}.npy.{self.run}.partial"

    def finish(self, clip_id: str) -> None:
        """Give a clip's array its name."""
        self.partial_path(clip_id).replace(array_path(self.features, self.modality, clip_id))


@dataclass
class Report:
    """What became of a few clips."""

    done: list[str] = field(default_factory=list)
    failures: list[tuple[str, str]] = field(default_factory=list)  # id, reason
    notes: list[tuple[str, str]] = field(default_factory=list)  # id, remark
    stages: dict[str, float] = field(default_factory=dict)  # seconds

    def spend(self, stage: str, seconds: float) -> None:
        """Add to the seconds of a stage."""
        self.stages[stage] = self.stages.get(stage, 0.0) + seconds


@dataclass
class Computed:
    """What an extractor made of a few clips, pooled and checked, not yet written."""

    arrays: list[NDArray[Any] | Failure]
    notes: list[tuple[str, str]]  # id, remark
    stages: dict[str, float]  # seconds


Extractors = dict[Job, Extractor]  # built ones, which whoever works longer than one job keeps

_built: Extractors = {}


def start_worker() -> None:
    """Set up a worker process: one thread for the maths, and an end when its parent ends."""
    os.environ["OMP_NUM_THREADS"] = "1"
    parent = multiprocessing.parent_process()
    if parent is not None:

        def follow() -> None:
            parent.join()
            os._exit(1)

        threading.Thread(target=follow, daemon=True).start()


def describe(job: Job, kept: Extractors | None = None) -> dict[str, object]:
    """What ``extractor.json`` tells: the extractor's own words, its options, pooling and dtype."""
    extractor = extractor_of(job, kept)
    return {
        **extractor.describe(),
        "options": dict(job.options),
        "pool": job.pool,
        "dtype": job.dtype,
        **({} if job.pool == "none" else {"rate": None}),
    }


def dictionary(job: Job) -> str | None:
    """The dictionary of a token modality; None of other kinds."""
    extractor = extractor_of(job)
    return extractor.dictionary_text() if extractor.kind == "tokens" else None


def work(job: Job, clips: Sequence[Clip]) -> Report:
    """Extract a few clips and write their arrays under temporary names.

    Raises:
        InputError: going on is pointless: no extractor, no space on the disk.
    """
    computed = compute(job, clips)
    report = Report(notes=computed.notes, stages=computed.stages)
    start = time.perf_counter()
    for clip, array in zip(clips, computed.arrays, strict=True):
        if isinstance(array, Failure):
            report.failures.append((clip.id, array.reason))
        else:
            _save(job.partial_path(clip.id), array)
            report.done.append(clip.id)
    report.spend("write", time.perf_counter() - start)
    return report


def compute(job: Job, clips: Sequence[Clip], kept: Extractors | None = None) -> Computed:
    """Extracts a few clips.

    Args:
        job: what to extract.
        clips: of what.
        kept: where the job's extractor is looked for, and kept for the next call; None: this
            process keeps the last job's.

    Returns:
        One entry a clip, (T, *item) in the job's dtype or why there is none.
    """
    begun = time.perf_counter()
    extractor = extractor_of(job, kept)
    loaded = time.perf_counter()
    with _one_thread():
        outputs, notes = _extract(extractor, clips)
    own = extractor.take_stages()
    other = time.perf_counter() - loaded - sum(own.values())
    stages = {"load": loaded - begun, **own, "extract": own.get("extract", 0.0) + other}
    return Computed([_finished(o, extractor, job) for o in outputs], notes, stages)


def extractor_of(job: Job, kept: Extractors | None = None) -> Extractor:
    """The job's extractor, built unless it is kept from before.

    Args:
        job: whose.
        kept: as `compute` has it.
    """
    built = _built if kept is None else kept
    if job not in built:
        if kept is None:
            built.clear()  # one model at a time is enough in memory
        built[job] = build_extractor(job.extractor, dict(job.options))
    return built[job]


@contextlib.contextmanager
def _one_thread() -> Iterator[None]:
    """One thread for torch: the rounding of a matrix product depends on how it is shared out."""
    torch = sys.modules.get("torch")
    if torch is None:
        yield
        return
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        yield
    finally:
        torch.set_num_threads(before)


def _extract(
    extractor: Extractor, clips: Sequence[Clip]
) -> tuple[list[NDArray[Any] | Failure], list[tuple[str, str]]]:
    """The extractor's outputs and notes; a clip that makes it raise is found and told by itself."""
    try:
        outputs = extractor.extract(clips)
        if len(outputs) != len(clips):
            raise RuntimeError(f"{len(outputs)} outputs for {len(clips)} clips")
        return outputs, extractor.take_notes()
    except Exception as error:  # whatever a decoder or a model makes of a bad file
        extractor.take_notes()
        if len(clips) == 1:
            logger.debug("%s failed", clips[0].id, exc_info=True)
            failed = "" if isinstance(error, InputError) else f"{extractor.name} failed: "
            return [Failure(failed + reason_of(error))], []
    alone = [_extract(extractor, [clip]) for clip in clips]
    return [outputs[0] for outputs, _ in alone], [note for _, notes in alone for note in notes]


def _finished(
    output: NDArray[Any] | Failure, extractor: Extractor, job: Job
) -> NDArray[Any] | Failure:
    """Pooled, checked, in the dtype asked for: (T, *item), T 1 or 0 when pooled."""
    if isinstance(output, Failure):
        return output
    kind = KINDS[extractor.kind]
    shape = kind.item_shape(extractor.dim)
    if not output.ndim or output.shape[1:] != shape:
        expected = ", ".join(map(str, ("T", *shape)))
        return Failure(f"{job.extractor} gave shape {output.shape}, expected ({expected})")
    if extractor.kind != "features":
        bound = extractor.dim if extractor.kind == "tokens" else 256
        if output.dtype.kind not in "iu" or (((output < 0) | (output >= bound)).any()):
            return Failure(f"{job.extractor} gave no whole numbers from 0 to {bound - 1}")
        return np.ascontiguousarray(output, dtype=kind.extracted[0])
    array = output.astype(np.float32, copy=False)
    if len(array) and job.pool == "mean":
        array = array.mean(axis=0, keepdims=True, dtype=np.float32)
    elif len(array) and job.pool == "first":
        array = array[:1]
    if not np.isfinite(array).all():
        return Failure(f"{job.extractor} gave numbers that are not finite")
    with np.errstate(over="ignore"):
        cast = np.ascontiguousarray(array, dtype=job.dtype)
    if not np.isfinite(cast).all():
        return Failure(f"its features do not fit {job.dtype}; use float32")
    return cast


def _save(path: Path, array: NDArray[Any]) -> None:
    with telling_full_disk(path.parent):
        path.parent.mkdir(parents=True, exist_ok=True)
        try:
            with path.open("xb") as file:  # never through a link
                np.lib.format.write_array(file, array, version=(1, 0), allow_pickle=False)
        except OSError:
            path.unlink(missing_ok=True)
            raise
