"""Rows of a long study in a JSON file, kept as they are done: a run that was stopped goes on with those missing."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any

from SphericalRegLib.errors import InputError
from SphericalRegLib.text_files import read_json_file
from SphericalRegLib.whole_file import write_whole


class KeptRows:
    """Rows by name.

    Args:
        path: of the file, whose rows are taken up where it is there; None keeps them in memory only.
        settings: that all rows share, for JSON.

    Attributes:
        rows: {name: row} so far.

    Raises:
        InputError: for a file that holds rows of other settings, or none.
    """

    def __init__(self, path: str | os.PathLike[str] | None, settings: dict[str, Any]) -> None:
        self._path = None if path is None else Path(path)
        self._settings = settings
        self.rows: dict[str, dict[str, Any]] = {}
        if self._path is None or not self._path.exists():
            return
        kept = read_json_file(self._path)
        if not isinstance(kept, dict) or not {"settings", "rows"} <= set(kept):
            raise InputError(f"{path} holds no rows of a study: name another file.")
        if kept["settings"] != settings:
            raise InputError(f"{path} holds rows of other settings ({kept['settings']}): name another file.")
        self.rows = kept["rows"]

    def add(self, name: str, row: dict[str, Any]) -> None:
        """Keep a row at once.

        Raises:
            InputError: where the file cannot be written.
        """
        self.rows[name] = row
        if self._path is not None:
            write_whole(self._path, json.dumps({"settings": self._settings, "rows": self.rows}, indent=1))
