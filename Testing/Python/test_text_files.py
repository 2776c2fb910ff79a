"""Text and JSON files: whatever they hold, a value or one error that names the file."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from SphericalRegLib.errors import InputError
from SphericalRegLib.text_files import existing_file, parse_json, read_json_file, read_text


def _file(folder: Path, content: bytes) -> Path:
    path = folder / "points.json"
    path.write_bytes(content)
    return path


@pytest.mark.parametrize("mark", [b"", b"\xef\xbb\xbf"])
def test_json_is_read_with_and_without_byte_order_mark(tmp_path: Path, mark: bytes) -> None:
    assert read_json_file(_file(tmp_path, mark + '{"a": [1, 2.5, "ü"]}'.encode())) == {"a": [1, 2.5, "ü"]}


@pytest.mark.parametrize(
    ("content", "word"),
    [
        (b"", "empty"),
        (b'{"a": ', "JSON"),
        (b"\xff\xfe{\x00}\x00", "UTF-8"),
        (b'{"a": "\x00"}', "NUL"),
        (b"[" * 100_000 + b"]" * 100_000, "nested"),
        (b'{"a": ' + b"9" * 10_000 + b"}", "digits"),
    ],
)
def test_what_python_parsers_stumble_over_is_one_error_that_names_the_file(
    tmp_path: Path, content: bytes, word: str
) -> None:
    with pytest.raises(InputError, match=word) as caught:
        read_json_file(_file(tmp_path, content))
    assert "points.json" in str(caught.value)


def test_a_file_beyond_the_limit_is_refused_without_being_read_whole(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="more than 0"):
        read_text(_file(tmp_path, b" " * 2000), max_bytes=1000)
    assert read_text(_file(tmp_path, b" " * 1000), max_bytes=1000) == " " * 1000


def test_bytes_that_are_no_text_are_refused() -> None:
    with pytest.raises(InputError, match=r"told\.txt"):
        parse_json(b"\xff\xff", "told.txt")


@pytest.mark.parametrize("path", ["a\0b", "x" * 5000])
def test_a_path_that_the_system_cannot_look_up_is_refused(path: str) -> None:
    with pytest.raises(InputError, match=r"path|no file"):
        existing_file(path)


def test_folders_absent_files_and_pipes_are_refused(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="folder"):
        existing_file(tmp_path)
    with pytest.raises(InputError, match="no file"):
        existing_file(tmp_path / "absent")
    if hasattr(os, "mkfifo"):
        os.mkfifo(tmp_path / "pipe")
        with pytest.raises(InputError, match="pipe"):
            existing_file(tmp_path / "pipe")
