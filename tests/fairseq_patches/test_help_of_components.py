"""--help shows the plugin's own flags, in groups of their own."""

import pytest
from fairseq import options

from mia_fairseq.plugin import register

register()
NAMED = ("--task", "multimodal_affect", "--arch", "mia_net", "--criterion", "mae_krl")


def test_the_flags_of_what_was_named_are_shown(capsys: pytest.CaptureFixture[str]) -> None:
    parser = options.get_training_parser()
    with pytest.raises(SystemExit) as ended:
        options.parse_args_and_arch(parser, ["DATA", *NAMED, "--help"])
    assert ended.value.code == 0
    printed = capsys.readouterr().out
    ours = printed.split("mia_fairseq: ")[1:]
    groups = {part.split(":")[0]: part for part in ours}
    assert "--channels" in groups["model"] and "--main-modality" in groups["data and task"]
    assert "--gamma" in groups["criterion"] and "--gamma" not in groups["model"]


def test_help_that_names_no_component_shows_the_flags_of_all(
    capsys: pytest.CaptureFixture[str],
) -> None:
    with pytest.raises(SystemExit) as ended:
        options.parse_args_and_arch(options.get_training_parser(), ["--help"])
    assert ended.value.code == 0 and "--max-epoch" in capsys.readouterr().out


def test_without_help_nothing_changes() -> None:
    args = options.parse_args_and_arch(options.get_training_parser(), ["DATA", *NAMED])
    assert args.gamma == 0.3 and args.patience == 6
