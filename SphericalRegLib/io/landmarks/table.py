"""Landmarks as a table: name,x,y,z,u,v, as spreadsheets of any country write it."""

from __future__ import annotations

import csv
import io
import math
import re
from collections.abc import Iterator
from pathlib import Path

from SphericalRegLib.errors import InputError
from SphericalRegLib.text_files import read_text

Places = dict[str, list[float]]

#: The two layouts of ours, for errors.
LAYOUT = 'name,x,y,z,u,v as CSV, or {"name": {"world_ras_mm": [x, y, z], "pixel": [u, v]}} as JSON'

_COLUMNS = ("name", "x", "y", "z", "u", "v")
_NUMBER = re.compile(r"[+-]?([0-9]+\.?[0-9]*|\.[0-9]+)([eE][+-]?[0-9]+)?")


def read_table(path: str | Path) -> tuple[Places, Places]:
    """({name: [x, y, z] world RAS mm}, {name: [u, v] pixels}) of a table with a header line.

    Columns may stand in any order and be parted by commas, semicolons or tabs; others are passed over. Where semicolons
    part them, numbers may have decimal commas, as spreadsheets write it in much of Europe.

    Raises:
        InputError: for missing or doubled columns, rows of another length, doubled or empty names, and what is no
            finite number; the message names the line.
    """
    lines = read_text(path).splitlines(keepends=True)
    delimiter, columns = _header(path, lines[0] if lines else "")
    points: Places = {}
    pixels: Places = {}
    marks: set[str] = set()
    for number, row in _rows(path, "".join(lines[1:]), delimiter):
        where = f"{path}, line {number}"
        if len(row) != len(columns):
            raise InputError(
                f"{where} has {len(row)} values for {len(columns)} columns: landmarks are {LAYOUT}. Decimal commas "
                "need semicolons between the columns."
            )
        name = row[columns.index("name")].strip()
        if not name:
            raise InputError(f"{where} has no name: landmarks are paired by name.")
        if name in points:
            raise InputError(f"{path} has two landmarks named {name!r}: give each its own name.")
        cells = {column: row[columns.index(column)].strip() for column in _COLUMNS[1:]}
        marks |= {mark for cell in cells.values() for mark in ".," if mark in cell}
        values = {column: _number(cell, delimiter, f"{where}: {column}") for column, cell in cells.items()}
        points[name], pixels[name] = [values[c] for c in "xyz"], [values[c] for c in "uv"]
    if len(marks) == 2:
        raise InputError(f"{path} writes some numbers with a decimal comma and some with a point: use one of them.")
    return points, pixels


def _header(path: str | Path, line: str) -> tuple[str, list[str]]:
    """The delimiter and the columns, in lower case."""
    choices = {mark: [cell.strip().strip('"').lower() for cell in line.split(mark)] for mark in ",;\t"}
    delimiter = max(choices, key=lambda mark: sum(column in choices[mark] for column in _COLUMNS))
    columns = choices[delimiter]
    if missing := [column for column in _COLUMNS if column not in columns]:
        raise InputError(
            f"{path} lacks the columns {', '.join(missing)} (its first line is {line.strip()[:80]!r}): landmarks are "
            f"{LAYOUT}, in mm and pixels."
        )
    if doubled := [column for column in _COLUMNS if columns.count(column) > 1]:
        raise InputError(f"{path} has the column {doubled[0]} twice: which of them counts? Leave one out.")
    return delimiter, columns


def _rows(path: str | Path, text: str, delimiter: str) -> Iterator[tuple[int, list[str]]]:
    """(line number, cells) of the rows that hold anything, below the header."""
    reader = csv.reader(io.StringIO(text, newline=""), delimiter=delimiter, skipinitialspace=True)
    try:
        for row in reader:
            if any(cell.strip() for cell in row):
                yield reader.line_num + 1, row
    except csv.Error as error:
        raise InputError(
            f"{path}, line {reader.line_num + 1} cannot be read ({error}): landmarks are {LAYOUT}."
        ) from None


def _number(cell: str, delimiter: str, where: str) -> float:
    # Between commas or tabs a comma may part thousands; semicolons are used because it is the decimal mark.
    text = cell.replace(",", ".") if delimiter == ";" else cell
    if not _NUMBER.fullmatch(text) or not math.isfinite(float(text)):
        raise InputError(f"{where} is {cell[:40]!r}, which is no finite number: landmarks are {LAYOUT}.")
    return float(text)
