"""How derived modalities are written, and what is refused."""

import pytest

from mia_fairseq.data.views.derived import Context, LinearCopy, parse_definition, parse_derived
from mia_fairseq.errors import InputError


def test_definitions_come_in_the_order_given_and_are_named() -> None:
    read = parse_derived("a2=linear(audio), v2=linear(video)", "text[-3:-1],text[1:+3],text[group]")
    assert read == {
        "a2": LinearCopy("audio"),
        "v2": LinearCopy("video"),
        "text[-3:-1]": Context("text", (-3, -1)),
        "text[+1:+3]": Context("text", (1, 3)),
        "text[group]": Context("text"),
    }
    assert list(read) == ["a2", "v2", "text[-3:-1]", "text[+1:+3]", "text[group]"]
    assert parse_derived("", "") == {}


@pytest.mark.parametrize(
    "definition", [LinearCopy("audio"), Context("text"), Context("linear", (-12, -4))]
)
def test_a_definition_is_read_back_as_it_was_kept(definition: LinearCopy | Context) -> None:
    assert parse_definition(str(definition)) == definition


REFUSED = {
    "no name": ("linear(audio)", "", "--derive 'linear(audio)' cannot be read"),
    "no linear": ("a2=square(audio)", "", "expected NAME=linear(MODALITY)"),
    "a number for a name": ("2a=linear(audio)", "", "--derive '2a=linear(audio)' cannot be read"),
    "no brackets": ("", "text", "--context 'text' cannot be read, expected MODALITY[FIRST:LAST]"),
    "one number": ("", "text[-1]", "--context 'text[-1]' cannot be read"),
    "half numbers": ("", "text[-1.5:-1]", "cannot be read"),
    "open": ("", "text[-3:]", "cannot be read"),
    "unclosed": ("", "text[group", "cannot be read"),
    "empty": ("", "text[-1:-3]", "is an empty range, since -1 comes after -3; write text[-3:-1]"),
    "itself": ("", "text[-1:+1]", "includes 0, the utterance itself"),
    "up to itself": ("", "text[-3:0]", "includes 0, the utterance itself"),
    "copy twice": ("a=linear(audio),a=linear(video)", "", "'a' is given twice"),
    "context twice": ("", "text[1:3],text[+1:+3]", "'text[+1:+3]' is given twice"),
}


@pytest.mark.parametrize("case", REFUSED)
def test_what_cannot_be_meant_is_refused_with_one_sentence(case: str) -> None:
    derive, context, words = REFUSED[case]
    with pytest.raises(InputError) as caught:
        parse_derived(derive, context)
    assert words in str(caught.value) and "\n" not in str(caught.value)
