"""How large an X-ray may be."""

from __future__ import annotations

from pathlib import Path

from SphericalRegLib.errors import InputError

#: Pixels of the largest X-ray, and values of the largest file of several: the largest detectors have 20 million pixels,
#: scanned films some more, and registration works on floating-point copies.
MAX_PIXELS, MAX_VALUES = 100_000_000, 400_000_000


def check_picture_size(rows: int, columns: int, path: Path, times: int = 1) -> None:
    """Refuse an X-ray too large to work on, before memory is set aside for it.

    Args:
        rows, columns: of one picture.
        path: of the file, for the message.
        times: pages times channels, as far as all are read.

    Raises:
        InputError: for more than :data:`MAX_PIXELS` pixels, or :data:`MAX_VALUES` values in all.
    """
    if rows * columns > MAX_PIXELS or rows * columns * times > MAX_VALUES:
        raise InputError(
            f"{path} has {columns} × {rows} pixels{f', {times} times' if times > 1 else ''}: the most are "
            f"{MAX_PIXELS} in one picture and {MAX_VALUES} in a file. Export it smaller, or only the frame you need."
        )
