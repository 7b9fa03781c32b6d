"""Which modalities a model reads, makes and keeps, with derived ones among them."""

import json
from pathlib import Path

import pytest
from harness import make_store

from mia_fairseq.data.format.store import Store
from mia_fairseq.data.schema import Schema
from mia_fairseq.data.views.derived import parse_derived
from mia_fairseq.errors import InputError
from mia_fairseq.tasks.multimodal_affect import MultimodalAffectConfig, MultimodalAffectTask

DIMS = {"text": 12, "audio": 7, "video": 5}


@pytest.fixture(scope="module")
def path(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make_store(tmp_path_factory.mktemp("store") / "DATA", DIMS)


def choose(path: Path, aux: str = "audio", derive: str = "", context: str = "") -> Schema:
    return Schema.choose(Store(path), "text", tuple(aux.split(",")), parse_derived(derive, context))


def test_derived_modalities_come_behind_the_others_in_their_order(path: Path) -> None:
    schema = choose(path, "audio", "v2=linear(video),a2=linear(audio)", "video[group],text[1:2]")
    assert schema.used == ("text", "audio", "v2", "a2", "video[group]", "text[+1:+2]")
    assert schema.stored == ("text", "audio", "video")  # video only to compute from
    assert schema.inputs == ("text", "audio", "video", "video[group]", "text[+1:+2]")
    assert schema.copies == {"v2": "video", "a2": "audio"}
    assert {name: schema.modalities[name].dim for name in schema.used} == {
        **{"text": 12, "audio": 7, "v2": 5, "a2": 7},
        **{"video[group]": 5, "text[+1:+2]": 12},
    }


def test_a_checkpoint_keeps_the_definitions_and_older_ones_have_none(path: Path) -> None:
    schema = choose(path, "audio", "v2=linear(video)", "text[-3:-1],text[group]")
    state = json.loads(json.dumps(schema.to_state()))
    assert Schema.from_state(state) == schema
    old = choose(path).to_state()
    del old["derived"]
    assert Schema.from_state(old) == choose(path)


def test_data_without_a_source_does_not_fit(path: Path, tmp_path: Path) -> None:
    schema = choose(path, "audio", "", "video[group]")
    without = make_store(tmp_path / "DATA", {"text": 12, "audio": 7})
    with pytest.raises(InputError, match="has no modality 'video'"):
        schema.check_fits(Store(without))
    schema.check_fits(Store(path))


def test_a_model_that_fuses_nothing_ignores_them(path: Path) -> None:
    cfg = MultimodalAffectConfig(data=str(path), derive="a2=linear(audio)", context="text[group]")
    task = MultimodalAffectTask(cfg)
    assert task.chosen_schema(fuses=False).used == ("text",)
    assert task.chosen_schema(fuses=True).used[3:] == ("a2", "text[group]")


REFUSED = {
    "copy of nothing": ("a2=linear(smell)", "", "has no modality 'smell', it has text, audio"),
    "context of nothing": ("", "smell[group]", "mend --derive or --context"),
    "context of a copy": ("a2=linear(audio)", "a2[group]", "has no modality 'a2'"),
    "taken name": ("video=linear(audio)", "", "has a modality 'video' of its own"),
}


@pytest.mark.parametrize("case", REFUSED)
def test_what_does_not_fit_the_data_is_refused(path: Path, case: str) -> None:
    derive, context, words = REFUSED[case]
    with pytest.raises(InputError) as caught:
        choose(path, "audio", derive, context)
    assert words in str(caught.value)
