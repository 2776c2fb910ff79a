"""Options of how a CT is read: every command with a CT has them, so that an error's remedy can be given to it."""

import inspect
import typing

import pytest

from SphericalRegLib.cli.main import main
from SphericalRegLib.cli.parsing.command_table import COMMANDS, function_of
from SphericalRegLib.cli.parsing.options import options_of
from SphericalRegLib.cli.reading.ct_reading import CTReading
from SphericalRegLib.io.ct import read_ct

READERS = [name for name in COMMANDS if {"ct", "file"} & set(options_of(function_of(name)))]


def test_all_read_a_ct_but_those_that_name_none():
    assert set(READERS) == set(COMMANDS) - {"demo", "systems", "dataset", "study"}


@pytest.mark.parametrize("command", READERS)
def test_each_command_explains_them(command, capsys):
    with pytest.raises(SystemExit):
        main([command, "--help"])
    text = " ".join(capsys.readouterr().out.split())
    for option in typing.get_type_hints(CTReading):
        assert f"--{option} " in text
    assert "which of its matrices counts, where they disagree" in text


def test_what_read_ct_can_be_told_can_be_told_to_commands():
    told = set(inspect.signature(read_ct).parameters) - {"path", "labels", "label_names", "downsample"}
    assert len(told) == len(typing.get_type_hints(CTReading))
