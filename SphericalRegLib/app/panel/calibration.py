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


def views_for(paths: Sequence[Path], count: int) -> Sequence[View]:
    """The views of a calibration file for so many X-rays, or of one file for each: they share a rig.

    Raises:
        SphericalRegError: for a file that is none, or for another number of X-rays.
    """
    return matched_views([(path, calibrated_views(path)) for path in paths], count)


def matched_views(found: Sequence[tuple[Path, Sequence[View]]], count: int) -> Sequence[View]:
    """The views of files that were read, for so many X-rays.

    Args:
        found: one file with all views, or as many files as X-rays with one view each, in their order.
        count: of X-rays.

    Raises:
        InputError: for another number of views, which says of which file.
    """
    for path, views in found:
        if len(found) > 1 and len(views) != 1:
            raise InputError(f"{path.name} holds {len(views)} views: beside another file it must hold one.")
    together = [view for _, views in found for view in views]
    if len(together) != count:
        names = " and ".join(path.name for path, _ in found)
        hold = "hold" if len(found) > 1 else "holds"
        several = "s" if len(together) != 1 else ""
        raise InputError(
            f"{names} {hold} {len(together)} view{several} for {count} X-ray{'s' if count != 1 else ''}: choose a file "
            "with one for each, or a file for each."
        )
    return together


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
