"""Options as people write them, against what the parser wants."""

from __future__ import annotations

import json

import pytest

from SphericalRegLib.cli.arguments import flags, join_values, list_options, raise_flags, text_options, with_underscores
from SphericalRegLib.cli.register import register


def test_the_parameters_that_take_several_values_are_found() -> None:
    several = {"xray", "view", "bones", "angles", "spacing", "landmarks", "ct_spacing", "ct_rescale"}
    assert list_options(register) == several
    assert text_options(register) == {"xray", "view", "landmarks"}


def test_the_parameters_that_are_true_or_false_are_found() -> None:
    assert flags(register) == {"learned_stage", "quiet", "verbose"}


@pytest.mark.parametrize(
    "written", [["--xray", "a", "b"], ["--xray", "a", "--xray", "b"], ["--xray=a", "--xray=b"], ['--xray=["a", "b"]']]
)
def test_several_xrays_can_be_written_in_any_way(written: list[str]) -> None:
    joined = join_values([*written, "--ct", "c"], {"xray"})
    (xray,) = [argument for argument in joined if argument.startswith("--xray=")]
    assert json.loads(xray.removeprefix("--xray=")) == ["a", "b"]
    assert [argument for argument in joined if argument != xray] == ["--ct", "c"]


def test_negative_numbers_are_values_and_not_options() -> None:
    assert join_values(["--angles", "-90", "2.5"], {"angles"}) == ["--angles=[-90, 2.5]"]


def test_a_flag_alone_means_true_and_can_be_denied() -> None:
    names = {"quiet", "json"}
    assert raise_flags(["--quiet", "--ct", "c", "--json"], names) == ["--quiet=true", "--ct", "c", "--json=true"]
    assert raise_flags(["--quiet", "false"], names) == ["--quiet", "false"]


def test_dashes_and_underscores_are_the_same_in_names_but_not_in_values() -> None:
    assert with_underscores(["--start-pose", "a-b", "--label-names=c-d"]) == [
        "--start_pose",
        "a-b",
        "--label_names=c-d",
    ]
