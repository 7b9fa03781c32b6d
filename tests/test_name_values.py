"""NAME=VALUE: what is read, and what is refused in which words."""

import pytest

from mia_fairseq.errors import InputError
from mia_fairseq.name_values import comma_separated, name_value, name_values


def test_a_value_may_hold_equals_signs_and_blanks_around_both_do_not_count() -> None:
    assert name_value(" url = a=b ", "--set") == ("url", "a=b")
    assert name_value("drop=", "--set", empty=True) == ("drop", "")


def test_several_keep_their_order_and_are_converted() -> None:
    assert list(name_values(["b=2", "a=1"], "--x", int).items()) == [("b", 2), ("a", 1)]


@pytest.mark.parametrize(
    ("given", "message"),
    [
        (["text"], "--x is 'text', expected the form NAME=NUMBER"),
        (["=1"], "--x is '=1', expected the form NAME=NUMBER"),
        (["a="], "--x is 'a=', expected the form NAME=NUMBER"),
        (["a=one"], "--x is 'a=one', expected the form NAME=NUMBER"),
        (["a=1", "a=2"], "--x names 'a' twice, the second time as 'a=2'"),
    ],
)
def test_what_is_none_is_refused(given: list[str], message: str) -> None:
    with pytest.raises(InputError) as refusal:
        name_values(given, "--x", int, "NAME=NUMBER")
    assert message in str(refusal.value)


def test_a_list_has_no_empty_parts() -> None:
    assert comma_separated(" a,, b ,") == ["a", "b"]
    assert comma_separated(None) == []
