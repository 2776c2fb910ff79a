"""Reading small text files that people write: bounded in size, decoded, parsed, with errors that name the file.

Python's parsers raise more than their own errors: nesting beyond the interpreter's stack ends in RecursionError, whole
numbers of more than some thousand digits in ValueError, and nothing bounds the size. Every reader of text or JSON goes
through here, so that each of those is one error with the file's name.
"""

from __future__ import annotations

import json
import math
from pathlib import Path
from typing import Any

from SphericalRegLib.errors import InputError

#: Bytes of the largest text file that is read: ten times the largest landmark list or calibration ever met.
MAX_BYTES = 16 * 2**20


def existing_file(path: str | Path) -> Path:
    """The path, if it is a file that holds anything.

    Raises:
        InputError: for a missing or empty file, a folder, or a path that the system cannot look up.
    """
    path = Path(path)
    try:
        if not path.exists():
            raise InputError(f"There is no file {path}: check the path.")
        if path.is_dir():
            raise InputError(f"{path} is a folder where a file is expected: name the file itself.")
        if not path.is_file():
            raise InputError(f"{path} is no ordinary file (a pipe or a device): name the file itself.")
        if path.stat().st_size == 0:
            raise InputError(f"{path} is empty (0 bytes): copy or export it again.")
    except (OSError, ValueError) as error:
        if isinstance(error, InputError):
            raise
        raise InputError(f"The path {str(path)[:200]!r} cannot be used ({error}): check it.") from None
    return path


def read_text(path: str | Path, max_bytes: int = MAX_BYTES) -> str:
    """A UTF-8 text file, with or without byte order mark.

    Args:
        path: the file.
        max_bytes: of the largest file that is read.

    Raises:
        InputError: for a missing, empty, unreadable or too large file, and for one that is not UTF-8 text.
    """
    path = existing_file(path)
    try:
        with path.open("rb") as file:
            raw = file.read(max_bytes + 1)
    except OSError as error:
        raise InputError(f"{path} cannot be read: {error.strerror or error}.") from None
    if len(raw) > max_bytes:
        raise InputError(
            f"{path} holds more than {max_bytes / 2**20:g} MiB, which is no text file of ours: name another."
        )
    try:
        text = raw.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise InputError(f"{path} is not UTF-8 text ({error}): save it again as UTF-8, or name another.") from None
    if "\0" in text:
        raise InputError(f"{path} holds NUL characters: it is no text file. Name another.")
    return text


def parse_json(text: str | bytes, name: str | Path) -> Any:
    """What a JSON text holds.

    Args:
        text: the JSON.
        name: what the errors call it: usually the file's path.

    Raises:
        InputError: for text that is not JSON, is nested too deeply, holds a number of too many digits, or the same key
            twice in one object (of which Python would take the last without a word).
    """

    def unique(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
        content = dict(pairs)
        if len(content) != len(pairs):
            keys = [key for key, _ in pairs]
            twice = next(key for key in keys if keys.count(key) > 1)
            raise InputError(f"{name} holds {twice[:60]!r} twice in one place: which of them counts? Leave one out.")
        return content

    try:
        return json.loads(text, object_pairs_hook=unique)
    except InputError:
        raise
    except json.JSONDecodeError as error:
        raise InputError(f"{name} is not a JSON file: {error}.") from None
    except RecursionError:
        raise InputError(f"{name} is nested too deeply: it is no JSON file of ours.") from None
    except ValueError as error:  # whole numbers of thousands of digits, bytes that are not UTF-8
        raise InputError(f"{name} is not a JSON file: {str(error)[:200]}.") from None


def read_json_file(path: str | Path, max_bytes: int = MAX_BYTES) -> Any:
    """What a JSON file holds.

    Raises:
        InputError: for what :func:`read_text` and :func:`parse_json` refuse.
    """
    return parse_json(read_text(path, max_bytes), path)


def finite_numbers(value: Any, shape: tuple[int, ...], name: str) -> Any:
    """Numbers out of a parsed file as floats, nested in lists as they were.

    Args:
        value: what the parser gave.
        shape: lengths of the nested lists; () for one number.
        name: what the error calls the value, with the file's name.

    Raises:
        InputError: for another nesting, for what is no number (true and false included), NaN, and what is too large
            for a float.
    """
    floats = _nested_floats(value, shape)
    if floats is None:
        wanted = f"{' × '.join(str(length) for length in shape)} finite numbers" if shape else "a finite number"
        shown = repr(value)
        raise InputError(f"{name} must be {wanted}, not {shown[:120]}{'...' if len(shown) > 120 else ''}.")
    return floats


def _nested_floats(value: Any, shape: tuple[int, ...]) -> Any:
    """The value as floats, or None where it is no finite numbers of that shape."""
    if shape:
        if not isinstance(value, list) or len(value) != shape[0]:
            return None
        items = [_nested_floats(item, shape[1:]) for item in value]
        return None if any(item is None for item in items) else items
    if isinstance(value, bool) or not isinstance(value, int | float):
        return None
    try:
        number = float(value)
    except OverflowError:
        return None
    return number if math.isfinite(number) else None
