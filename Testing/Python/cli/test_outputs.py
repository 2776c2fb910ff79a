"""Outputs never overwrite inputs, and links are said."""

from __future__ import annotations

import os

import pytest

from SphericalRegLib.cli.console import Console
from SphericalRegLib.cli.main import main
from SphericalRegLib.cli.outputs import output_files, output_folder
from SphericalRegLib.errors import InputError

needs_links = pytest.mark.skipif(os.name != "posix", reason="links need rights elsewhere")


@needs_links
def test_a_link_is_followed_and_said(tmp_path, capsys):
    (tmp_path / "there").mkdir()
    (tmp_path / "out").symlink_to("there")
    (tmp_path / "web").mkdir()
    (tmp_path / "web" / "a.html").write_text("old")
    (tmp_path / "there" / "a.html").symlink_to(tmp_path / "web" / "a.html")
    with output_folder(Console(), str(tmp_path / "out"), ["*.html"], [None]) as stage:
        (stage / "a.html").write_text("new")
    said = capsys.readouterr().err
    assert f"is a link: written to {tmp_path / 'there'}" in said
    assert f"is a link: written to {tmp_path / 'web' / 'a.html'}" in said
    assert (tmp_path / "web" / "a.html").read_text() == "new"


@pytest.mark.parametrize("how", ["the same", "another spelling", "a link", "a second name"])
def test_an_input_is_not_overwritten(how, tmp_path):
    ct, output = tmp_path / "ct.nrrd", tmp_path / "ct.nrrd"
    ct.write_text("ct")
    (tmp_path / "sub").mkdir()
    if how == "another spelling":
        output = tmp_path / "sub" / ".." / "ct.nrrd"
    elif how == "a link":
        output = tmp_path / "out.nrrd"
        output.symlink_to(ct)
    elif how == "a second name":
        output = tmp_path / "out.nrrd"
        os.link(ct, output)
    with (
        pytest.raises(InputError, match="would overwrite the input"),
        output_files(Console(), [str(output)], [None, str(ct)]),
    ):
        pass
    assert ct.read_text() == "ct"


def test_nor_is_a_slice_of_a_series_or_a_result_that_is_read(tmp_path):
    (tmp_path / "slice.dcm").write_text("slice")
    with (
        pytest.raises(InputError, match="overwrite"),
        output_files(Console(), [str(tmp_path / "slice.dcm")], [tmp_path]),
    ):
        pass
    (tmp_path / "pose.tfm").write_text("pose")
    with (
        pytest.raises(InputError, match="overwrite"),
        output_folder(Console(), str(tmp_path), ["pose.tfm"], [str(tmp_path / "pose.tfm")]),
    ):
        pass
    # beside it there is room
    with output_folder(Console(), str(tmp_path), ["result.json"], [str(tmp_path / "pose.tfm"), str(tmp_path)]) as stage:
        (stage / "result.json").write_text("{}")


def test_two_outputs_are_two_files(tmp_path):
    with (
        pytest.raises(InputError, match="the same file"),
        output_files(Console(), [str(tmp_path / "a"), str(tmp_path / "sub" / ".." / "a")], []),
    ):
        pass


@pytest.mark.parametrize("command", ["render", "simulate", "evaluate", "register", "landscape", "train"])
def test_every_command_refuses_before_it_reads(command, tmp_path, capsys):
    """The input is no file of its kind, which would be told first if it were read."""
    names = {"register": "result.json", "landscape": "landscape.png", "train": "m.safetensors"}
    both = tmp_path / names.get(command, "both.png")
    both.write_text("an input")
    options = {
        "render": ["--output", both, "--ct", both],
        "simulate": ["--output", tmp_path / "x.dcm", "--truth", both, "--ct", __file__, "--pose", both],
        "evaluate": ["--csv", both, "--ct", both],
        "register": ["--output", tmp_path, "--ct", __file__, "--xray", __file__, "--start_pose", both],
        "landscape": ["--output", tmp_path, "--ct", __file__, "--xray", both],
        "train": ["--output", both, "--ct", __file__, "--start", both],
    }[command]
    assert main([command, *map(str, options)]) == 2
    assert "overwrite" in capsys.readouterr().err
    assert both.read_text() == "an input"


def test_a_model_is_not_written_over_its_own_checkpoints(tmp_path, capsys):
    arguments = [
        "train",
        "--ct",
        __file__,
        "--folder",
        str(tmp_path),
        "--output",
        str(tmp_path / "regressor.safetensors"),
    ]
    assert main(arguments) == 2
    assert "own folder" in capsys.readouterr().err
