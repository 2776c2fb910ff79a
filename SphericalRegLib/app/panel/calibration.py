"""A file with the geometry of all views, in place of what is typed."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from SphericalRegLib.errors import InputError, SphericalRegError

if TYPE_CHECKING:
    from SphericalRegLib.geometry.view import View


def calibrated_views(path: Path) -> Sequence[View]:
    """The views of a calibration file.

    Raises:
        SphericalRegError: for a file that is none.
    """
    # they load torch, without which a panel opens as well
    from SphericalRegLib.io.calibration_files import read_autoscoper, read_json

    return read_json(path).views if path.suffix.lower() == ".json" else [read_autoscoper(path)]


def views_for(path: Path, count: int) -> Sequence[View]:
    """The views of a calibration file for so many X-rays.

    Raises:
        SphericalRegError: for a file that is none, or one for another number of X-rays.
    """
    views = calibrated_views(path)
    if len(views) != count:
        raise InputError(
            f"{path.name} holds {len(views)} views for {count} X-rays: choose a file with one for each, or none."
        )
    return views


class CalibrationCheck:
    """Reads a calibration file once for each state of it.

    Args:
        read: makes views of a path; its errors have words for the user.
    """

    def __init__(self, read: Callable[[Path], Sequence[View]] = calibrated_views) -> None:
        self._read = read
        self._key: tuple[str, int, int] | None = None
        self._found: tuple[Sequence[View], str] = ([], "")

    def __call__(self, path: Path) -> tuple[Sequence[View], str]:
        """(views, in words why it cannot be used): one of the two is empty."""
        stamp = path.stat()
        key = (str(path), stamp.st_mtime_ns, stamp.st_size)
        if key != self._key:
            try:
                self._found = (self._read(path), "")
            except SphericalRegError as error:
                self._found = ([], str(error))
            self._key = key
        return self._found
