"""Cases of one row, kept line by line as they are done: whatever moment ends the process, only that line is lost."""

from __future__ import annotations

import json
import os
from dataclasses import asdict, fields
from pathlib import Path
from typing import Any

from SphericalRegLib.errors import InputError
from SphericalRegLib.evaluation.study.placed import PlacedRow
from SphericalRegLib.whole_file import write_whole

_FIELDS = {one.name for one in fields(PlacedRow)}


class Journal:
    """Rows by the index of their case.

    Args:
        path: of the file; taken up where it is there. A line that the end of a process cut is dropped.
        settings: what makes the rows what they are, for JSON; a file of others is refused.

    Attributes:
        rows: {index: row} so far.

    Raises:
        InputError: for a file of other settings, or one that holds something else.
    """

    def __init__(self, path: str | os.PathLike[str], settings: dict[str, Any]) -> None:
        self._path = Path(path)
        self.rows: dict[int, PlacedRow] = {}
        self._whole: str | None = None
        head = json.dumps(settings, sort_keys=True)
        if not self._path.exists():
            self._path.parent.mkdir(parents=True, exist_ok=True)
            write_whole(self._path, head + "\n")
            return
        text = self._path.read_text(encoding="utf-8")
        whole, _, cut = text.rpartition("\n")
        # taken away when there is something to add: another process may be about to end this line
        self._whole = whole + "\n" if cut else None
        first, *lines = whole.split("\n")
        if first != head:
            raise InputError(f"{self._path} holds cases of other settings ({first[:200]}): name another folder.")
        for number, line in enumerate(lines, 2):
            row = _row(line, f"{self._path}, line {number}")
            self.rows[row.index] = row

    def add(self, row: PlacedRow) -> None:
        """Keep a row at once, on the disk and not only on its way there.

        Raises:
            InputError: where it cannot be written.
        """
        if self._whole is not None:
            write_whole(self._path, self._whole)
            self._whole = None
        try:
            with self._path.open("a", encoding="utf-8") as file:
                file.write(json.dumps(asdict(row)) + "\n")
                file.flush()
                os.fsync(file.fileno())
        except OSError as error:
            raise InputError(f"{self._path} cannot be written ({error}).") from error
        self.rows[row.index] = row

    def first(self, count: int) -> tuple[PlacedRow, ...]:
        """Cases 0 to ``count`` − 1, in order; those that are there."""
        return tuple(self.rows[index] for index in range(count) if index in self.rows)


def _row(line: str, where: str) -> PlacedRow:
    try:
        content = json.loads(line)
    except ValueError:
        content = None
    if not isinstance(content, dict) or set(content) != _FIELDS:
        raise InputError(f"{where} is no case of a study: delete the file, and its cases are run again.")
    return PlacedRow(**content)
