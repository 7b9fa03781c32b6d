"""The DATA folders of an experiment, made by the plain commands that its file names.

``data`` maps the name of a folder to commands, in order. In them stand
    {data}    the folder, ``OUT/EXPERIMENT/NAME``
    {work}    a folder for what is made on the way, ``OUT/EXPERIMENT/NAME_work``
    {out}     ``--out``, for commands that run other experiments
    {here}    the folder of the experiment's file
    {jobs}    ``--jobs``
and the file's ``inputs``, as ``--input NAME=PATH`` gives them. A folder whose inputs are not given
is left out, which is told. What is made already is not made again, and what was made of other
inputs or by other commands is not taken for it.
"""

import hashlib
import json
import shlex
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from mia_fairseq.errors import InputError
from mia_fairseq.experiments.running.logged_commands import call, locked
from mia_fairseq.experiments.specification.experiment import Experiment
from mia_fairseq.experiments.specification.inheritance import fill
from mia_fairseq.files import sha256_of, write_json


@dataclass(frozen=True)
class DataFolder:
    """One DATA folder and the commands that make it.

    Attributes:
        path: the folder.
        commands: in order, with everything filled in.
        made_of: what tells it from another, in plain containers.
    """

    path: Path
    commands: tuple[tuple[str, ...], ...]
    made_of: Mapping[str, object]


def data_folders(
    experiment: Experiment, inputs: Mapping[str, str], *, file: Path, out: Path, jobs: int
) -> list[DataFolder]:
    """The folders that can be made of the inputs that are given.

    Args:
        experiment: with ``data``.
        inputs: name -> path, or whatever the commands take.
        file: of the experiment.
        out: the folder for all experiments.
        jobs: for commands that take a number of processes.

    Raises:
        InputError: an input is none of the experiment's, is not there, or none can be made.
    """
    for name, value in inputs.items():
        if name not in experiment.inputs:
            raise InputError(
                f"--input {name}={value}: {experiment.name} takes "
                f"{', '.join(experiment.inputs) or 'no input'}"
            )
    inputs = {**{k: i.default for k, i in experiment.inputs.items() if i.default}, **inputs}
    folders = []
    for name, steps in experiment.data.items():
        if lacking := [
            key for key in experiment.inputs if _takes(steps, key) and key not in inputs
        ]:
            print(f"{name} is left out: --input {lacking[0]}=... is not given")
            continue
        path = out.resolve() / experiment.name / name
        places = {
            **{"data": str(path), "work": f"{path}_work", "out": str(out.resolve())},
            **{"here": str(file.absolute().parent), "jobs": str(jobs)},
        }
        commands = [[fill(word, {**inputs, **places}) for word in shlex.split(s)] for s in steps]
        used = {key: _content(value) for key, value in inputs.items() if _takes(steps, key)}
        made_of = {"commands": list(steps), "inputs": used}
        folders.append(DataFolder(path, tuple(map(tuple, commands)), made_of))
    if not folders:
        wanted = "; ".join(f"--input {key}=...: {i.what}" for key, i in experiment.inputs.items())
        raise InputError(f"{experiment.name} needs --data, or {wanted}")
    return folders


def make(folder: DataFolder) -> None:
    """Runs the commands, unless the folder is made; another process may be at it.

    Raises:
        InputError: it was made of something else.
        RunError: a command failed.
    """
    record = folder.path.with_name(f"{folder.path.name}.made_of.json")
    log = folder.path.with_name(f"{folder.path.name}.log")
    with locked(folder.path, wait=True):
        if record.is_file():
            then = json.loads(record.read_text())
            different = sorted(key for key, now in folder.made_of.items() if then.get(key) != now)
            if different:
                raise InputError(
                    f"{folder.path} was made of other {' and '.join(different)} ({record.name} "
                    f"says which); name another --out, or remove {folder.path.name}* there"
                )
        else:
            write_json(record, folder.made_of)
        if (folder.path / "meta.json").is_file():
            return
        folder.path.with_name(f"{folder.path.name}_work").mkdir(exist_ok=True)
        for command in folder.commands:
            print("$", shlex.join(command), flush=True)
            call(command, log)
        if not (folder.path / "meta.json").is_file():
            raise InputError(
                f"{folder.path}: its commands have ended and it is no DATA folder; one of them "
                f"must write {{data}} ({log.name} has their output)"
            )


def _takes(steps: Sequence[str], name: str) -> bool:
    return any(f"{{{name}}}" in step for step in steps)


def _content(value: str) -> str:
    """What tells an input from another: a file's sha256, a folder's names and sizes, a word."""
    path = Path(value)
    if path.is_file():
        return sha256_of(path)
    if not path.is_dir():
        return value
    found = [(str(p.relative_to(path)), p.stat().st_size) for p in sorted(path.rglob("*"))]
    return hashlib.sha256(json.dumps(found).encode()).hexdigest()
