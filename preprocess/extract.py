"""Features of a corpus's clips, by any extractors, on one core or on a cluster.

    python -m preprocess.extract manifest.tsv --out FEATURES \\
        --modality text=minilm --modality audio=whisper --pool text=mean --jobs 2

Run again, it does what is missing; an array that is there and whole is never made again, so remove
it where a clip's words or times have changed since. Under torchrun (RANK, WORLD_SIZE) or in a Slurm
array each process does its share; then the same command with ``--merge`` checks that nothing is
missing and closes the folder. A process that does the whole corpus closes it by itself.

The arrays are the same bits for every number of jobs and shards and every batch size: extractors
keep a clip's result independent of its batch, and every process computes on one thread.
"""

import argparse
import os
import re
import sys
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path

from mia_fairseq.command import command_parser, run
from mia_fairseq.data.format.kinds import DTYPES
from mia_fairseq.errors import InputError
from mia_fairseq.name_values import name_value, name_values
from preprocess.extraction.extract_modality import extract_modality, settle
from preprocess.extraction.feature_folder import merge
from preprocess.extraction.sharding import Shard, find_shard
from preprocess.extraction.worker import POOLS, Job
from preprocess.tables.manifest import Manifest, read_manifest


def build_jobs(arguments: argparse.Namespace, shard: Shard) -> list[Job]:
    """A job a modality, from the command line."""
    chosen = name_values(arguments.modality, "--modality", str)
    options = name_values(arguments.option, "--option", str)
    pools = dict.fromkeys(chosen, "none")
    for item in arguments.pool:
        pools.update([name_value(item, "--pool")] if "=" in item else dict.fromkeys(chosen, item))
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
    parser = command_parser("preprocess.extract", __doc__)
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
    parser.add_argument("--dtype", choices=DTYPES, default="float32", help="of the features")
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
        names = list(name_values(arguments.modality, "--modality", str))
        _tell(_merged(arguments.out, manifest, names))
        return
    if not arguments.modality:
        raise InputError("name what to extract, say --modality text=minilm")
    shard = find_shard(arguments.shard)
    jobs = [settle(job, manifest) for job in build_jobs(arguments, shard)]
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
    for modality, counts in lacking.items():
        told = zip(counts, ("failures", "notes"), strict=True)
        files = " and ".join(f"{modality}/{name}.tsv" for count, name in told if count)
        without = f", {sum(counts)} without (see {files})" if files else ""
        yield f"  {modality}: {rows - sum(counts)} with features{without}"


def _tell(lines: Iterable[str]) -> None:
    for line in lines:
        sys.stdout.write(line + "\n")


def command() -> None:
    """``mia-extract``."""
    os.environ.setdefault("OMP_NUM_THREADS", "1")
    run(main)


if __name__ == "__main__":
    command()
