"""Checkpoints cut, changed or of other types: each opens as it was, or ends in a sentence."""

import copy
import json
import math
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import torch
from harness import train, validate
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from mia_fairseq.checkpoints.checkpoint_file import read_state
from mia_fairseq.errors import InputError
from mia_fairseq.export.__main__ import export
from mia_fairseq.export.exported_model import CONFIG, read_exported
from mia_fairseq.plugin import register
from mia_fairseq.predict.predictor import Predictor

register()

REUSED = [HealthCheck.function_scoped_fixture, HealthCheck.too_slow]
quickly = settings(
    max_examples=60,
    deadline=None,
    suppress_health_check=REUSED,
    derandomize=True,
    database=None,
)
ODD = (None, True, -1, 0, 3, 10**9, 10**30, 0.5, math.nan, math.inf, "", "x", "y" * 5000, "../..")
ODD_CONTAINERS: tuple[Any, ...] = ([], {}, [1], {"a": 1}, [[]], {"kind": "tokens", "dim": 3})


@pytest.fixture
def state(checkpoint: Path) -> dict[str, Any]:
    return torch.load(checkpoint, weights_only=True)


def saved(state: Any, folder: Path) -> Path:
    torch.save(state, folder / "damaged.pt")
    return folder / "damaged.pt"


def is_a_sentence(error: InputError) -> bool:
    told = str(error)
    return 0 < len(told) <= 2100 and "\n" not in told and "y" * 210 not in told


def opens_or_is_told(path: Path) -> str:
    """``opened``, with finite answers, or ``refused``."""
    try:
        predictor = Predictor(path)
    except InputError as error:
        assert is_a_sentence(error), str(error)
        return "refused"
    assert all(torch.isfinite(w).all() for w in predictor.network.model.state_dict().values())
    return "opened"


@quickly
@given(share=st.floats(0, 1, exclude_max=True))
def test_cut_at_any_byte(checkpoint: Path, tmp_path: Path, share: float) -> None:
    content = checkpoint.read_bytes()
    path = tmp_path / "cut.pt"
    path.write_bytes(content[: int(share * len(content))])
    with pytest.raises(InputError, match="as tensors and settings only") as refused:
        read_state(path)
    assert is_a_sentence(refused.value)


@quickly
@given(
    changes=st.lists(
        st.tuples(st.floats(0, 1, exclude_max=True), st.integers(1, 255)), min_size=1, max_size=4
    )
)
def test_changed_bytes_change_no_weight(
    checkpoint: Path, tmp_path: Path, changes: list[tuple[float, int]]
) -> None:
    content = bytearray(checkpoint.read_bytes())
    for share, mask in changes:
        content[int(share * len(content))] ^= mask
    path = tmp_path / "changed.pt"
    path.write_bytes(content)
    try:
        found = read_state(path)
    except InputError as error:
        assert is_a_sentence(error)
        return
    written = torch.load(checkpoint, weights_only=True)["model"]
    assert found["model"].keys() == written.keys()
    assert all(torch.equal(found["model"][name], written[name]) for name in written)


def places(value: Any, inside: tuple[Any, ...] = ()) -> Iterator[tuple[Any, ...]]:
    """Where a value of nested containers is, for all values in them."""
    for key in value if isinstance(value, dict) else range(len(value)):
        yield (*inside, key)
        if isinstance(value[key], dict | list) and value[key]:
            yield from places(value[key], (*inside, key))


def changed_at(value: Any, place: tuple[Any, ...], new: Any) -> None:
    """Replaces or removes what stands at a place."""
    for key in place[:-1]:
        value = value[key]
    if new is KeyError:
        del value[place[-1]]
    else:
        value[place[-1]] = copy.deepcopy(new)


MUTATIONS = st.tuples(
    st.floats(0, 1, exclude_max=True), st.sampled_from([KeyError, *ODD, *ODD_CONTAINERS])
)


@settings(quickly, max_examples=80)
@given(group=st.sampled_from(["model", "task", "task_state"]), mutation=MUTATIONS)
def test_settings_and_schema_of_other_types(
    state: dict[str, Any], tmp_path: Path, group: str, mutation: tuple[float, Any]
) -> None:
    state = copy.deepcopy(state)
    part = state["task_state"] if group == "task_state" else state["cfg"][group]
    everywhere = list(places(part))
    changed_at(part, everywhere[int(mutation[0] * len(everywhere))], mutation[1])
    assert opens_or_is_told(saved(state, tmp_path)) in ("opened", "refused")


@quickly
@given(mutation=MUTATIONS)
def test_files_of_other_parts(
    state: dict[str, Any], tmp_path: Path, mutation: tuple[float, Any]
) -> None:
    names, state = list(state), copy.deepcopy(state)
    changed_at(state, (names[int(mutation[0] * len(names))],), mutation[1])
    opens_or_is_told(saved(state, tmp_path))


@pytest.mark.parametrize("group", [7, "mae_krl", ["mae_krl"], {"_name": ["mae_krl"]}, {}, None])
def test_settings_of_the_criterion_that_are_none(
    state: dict[str, Any], corpus: Path, tmp_path: Path, group: Any
) -> None:
    state["cfg"]["criterion"] = group
    told = validate(corpus, saved(state, tmp_path), check=False)
    assert told.returncode == 1 and "Traceback" not in told.stderr
    table = isinstance(group, dict | None)
    assert ("its criterion is" if table else "its settings 'criterion' are") in told.stderr
    assert opens_or_is_told(tmp_path / "damaged.pt") == ("opened" if table else "refused")


def weight_damage(name: str) -> dict[str, Any]:
    return {
        "gone": KeyError,
        "another shape": torch.zeros(3, 99),
        "text": "a weight",
        "NaN": torch.full((12,), math.nan),
        "complex": torch.zeros(12, dtype=torch.complex64),
        "sparse": torch.zeros(12).to_sparse(),
        "expanded": torch.zeros(1).expand(10**12),
        name: torch.zeros(2),
    }


@pytest.mark.parametrize("damage", weight_damage("one too many"))
def test_weights_that_do_not_fit(
    state: dict[str, Any], corpus: Path, tmp_path: Path, damage: str
) -> None:
    name = "encoders.text.mean" if damage != "one too many" else damage
    changed_at(state["model"], (name,), weight_damage("one too many")[damage])
    path = saved(state, tmp_path)
    with pytest.raises(InputError, match=r"damaged\.pt") as refused:
        Predictor(path)
    assert is_a_sentence(refused.value)
    if damage == "NaN":
        assert "holds NaN or Inf" in str(refused.value)
        told = validate(corpus, path, check=False)
        assert told.returncode == 1 and "holds NaN or Inf" in told.stderr
        assert "Traceback" not in told.stderr


@pytest.mark.parametrize("setting", ["channels", "ffn_dim", "gate_kernel", "conversation_dim"])
def test_a_network_larger_than_its_weights_is_not_built(
    state: dict[str, Any], tmp_path: Path, setting: str
) -> None:
    state["cfg"]["model"] |= {"conversation": "bc_lstm", setting: 200_000_001}
    with pytest.raises(InputError, match=r"network of more than|weights are not those"):
        Predictor(saved(state, tmp_path))


def test_lists_that_unfold_without_end(state: dict[str, Any], tmp_path: Path) -> None:
    one: list[Any] = [0] * 10
    for _ in range(30):
        one = [one] * 10
    state["cfg"]["common"]["seed"] = one
    with pytest.raises(InputError, match="nested without end"):
        read_state(saved(state, tmp_path))
    own: list[Any] = []
    own.append(own)
    state["cfg"]["common"]["seed"] = own
    with pytest.raises(InputError, match="nested without end"):
        read_state(saved(state, tmp_path))


@pytest.mark.parametrize("part", ["model", "last_optimizer_state", "optimizer_history"])
def test_training_does_not_go_on_from_another_model(
    state: dict[str, Any], corpus: Path, tmp_path: Path, part: str
) -> None:
    changed = {"model": {"a": torch.zeros(2)}, "last_optimizer_state": [1], "optimizer_history": []}
    state[part] = changed[part]
    torch.save(state, tmp_path / "checkpoint_last.pt")
    refused = train(corpus, tmp_path, "--max-epoch", "3", check=False)
    assert refused.returncode == 1 and "checkpoint_last.pt" in refused.stderr
    assert "error: " in refused.stderr and "Traceback" not in refused.stderr


@quickly
@given(mutation=MUTATIONS)
def test_exported_configurations_of_other_types(
    exported: Path, tmp_path: Path, mutation: tuple[float, Any]
) -> None:
    config = json.loads((exported / CONFIG).read_text())
    everywhere = list(places(config))
    changed_at(config, everywhere[int(mutation[0] * len(everywhere))], mutation[1])
    (tmp_path / CONFIG).write_text(json.dumps(config))
    weights = tmp_path / "model.safetensors"
    weights.unlink(missing_ok=True)
    weights.hardlink_to(exported / weights.name)
    try:
        read_exported(tmp_path)
    except InputError as error:
        assert is_a_sentence(error), str(error)


@pytest.fixture(scope="module")
def exported(checkpoint: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("exported") / "model"
    export(checkpoint, folder)
    return folder
