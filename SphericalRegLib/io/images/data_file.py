"""Pixels that stand in another file than the header (NHDR, MHD): which files these may be."""

from __future__ import annotations

from pathlib import Path

from SphericalRegLib.errors import InputError
from SphericalRegLib.text_files import existing_file


def data_file(header: Path, name: str) -> Path:
    """The file that a header names.

    Args:
        header: the file that names it.
        name: as written there, relative to the header's folder.

    Raises:
        InputError: for one that is absent or empty, a device or a pipe, or not in the header's folder or below it: a
            header from elsewhere must not make us read any file of this machine.
    """
    folder = header.resolve().parent
    try:
        target = (folder / name).resolve()
        inside = target.is_relative_to(folder)
    except (OSError, ValueError, RuntimeError) as error:
        raise InputError(f"{header} names the data file {name[:100]!r}, which cannot be used ({error}).") from None
    if not inside:
        raise InputError(
            f"{header} names the data file {name[:200]!r}, which is not in its folder: put it beside the header, and "
            "its bare name into the header; or save both as one file (.nrrd, .mha)."
        )
    try:
        return existing_file(target)
    except InputError as error:
        raise InputError(f"{header} needs the data file {name[:200]!r}: {error}") from None


def check_length(path: Path, promised: int, present: int, compressed: bool, ratio: int = 1032) -> None:
    """Refuse a header that promises more bytes than its data can hold.

    Args:
        path: of the header, for the message.
        promised: bytes of pixels.
        present: bytes of data.
        compressed: whether they are; then only what no compression can do is refused.
        ratio: the most bytes that one compressed byte can stand for.

    Raises:
        InputError: for too few bytes.
    """
    if promised > present * (ratio if compressed else 1):
        raise InputError(
            f"{path} cannot be read: it is truncated, or its header is wrong. It announces {promised} bytes of pixels, "
            f"and {present} {'compressed bytes' if compressed else 'bytes'} are there. Copy or export it again."
        )
