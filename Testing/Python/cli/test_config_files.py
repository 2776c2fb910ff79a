"""YAML options: what would end in a traceback, or in memory without end, is one line with exit code 2."""

from __future__ import annotations

from pathlib import Path

import pytest

from SphericalRegLib.cli.main import main
from SphericalRegLib.cli.parsing.config_files import check_yaml
from SphericalRegLib.cli.top import BAD_INPUT

BOMB = "a: &a [x,x,x,x,x,x,x,x,x,x]\n" + "".join(
    f"{new}: &{new} [{','.join([f'*{old}'] * 10)}]\n" for old, new in zip("abcdefgh", "bcdefghi", strict=True)
)


@pytest.mark.parametrize(
    ("text", "words"),
    [
        (BOMB, "line 2 repeats a part of the file (*a)"),
        ("ct: &a [*a]\n", "repeats a part"),
        ("ct: " + "[" * 100_000 + "]" * 100_000, "nested more than 20 deep"),
        ("ct: x\nseed: " + "9" * 10_000, "line 2 has a number of 10000 digits"),
        ("seed: 0x" + "f" * 5000, "has a number of 5002 digits"),
        ("sdd: .nan\n", "the number .nan: options are finite"),
        ("sdd: -.INF\n", "the number -.INF"),
        ("sdd: 1.0e999\n", "the number 1.0e999, which is too large"),
        (
            "ct: !!python/object/apply:os.system ['exit 3']\n",
            "the tag 'tag:yaml.org,2002:python/object/apply:os.system'",
        ),
        ("ct: a\nxray: [b]\nct: c\n", "line 3 gives 'ct' a second time"),
        ("ct: [a\n", "is no YAML"),
        ("ct: a\0", "NUL"),
        ("# " + "x" * 2**20, "more than 1 MiB"),
        ("", "empty"),
    ],
)
def test_a_config_that_cannot_be_used_is_one_line_that_names_it(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], text: str, words: str
) -> None:
    path = tmp_path / "options.yaml"
    path.write_text(text)
    for option in (["--config", str(path)], [f"--config={path}"]):
        assert main(["register", *option]) == BAD_INPUT
        said = capsys.readouterr().err
        assert len(said.splitlines()) == 1
        assert "options.yaml" in said
        assert words in said


@pytest.mark.parametrize("text", [BOMB, "rotation_deg: " + "9" * 10_000, "rotation_deg: " + "[" * 5000 + "]" * 5000])
def test_files_that_other_options_name_are_checked_as_well(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], text: str
) -> None:
    path = tmp_path / "range.yaml"
    path.write_text(text)
    for name in "ab":
        (tmp_path / name).touch()
    files = [str(tmp_path / "a"), str(tmp_path / "b"), "-o", str(tmp_path / "c")]
    assert main(["register", *files, "--search", str(path)]) == BAD_INPUT
    (line,) = capsys.readouterr().err.splitlines()
    assert "The value, line" in line


def test_a_good_config_is_used(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = tmp_path / "options.yaml"
    path.write_text(f"ct: {tmp_path}/absent.nrrd\nxray: [a.dcm]\noutput: '{tmp_path}/1e999'\nspacing: [0.5, 5e-1]\n")
    assert main(["register", "--config", str(path)]) == BAD_INPUT
    assert "absent.nrrd" in capsys.readouterr().err


def test_texts_in_quotes_and_the_same_key_elsewhere_are_no_fault() -> None:
    check_yaml("a: {x: 1, y: '.nan'}\nb: {x: 1, y: [{x: 2}, {x: 3}]}\nc: 1.2.840.10008.5.1\nd: ! z\n", "options")
