"""Reading DICOM through pydicom: no promise of a damaged file is believed, and each failure names the file."""

from __future__ import annotations

import contextlib
import io
import os
import struct
import warnings
import zlib
from collections.abc import Iterator, Sequence
from pathlib import Path

import pydicom
from pydicom.dataset import FileDataset
from pydicom.errors import BytesLengthException, InvalidDicomError
from pydicom.uid import DeflatedExplicitVRLittleEndian

from SphericalRegLib.errors import InputError, SphericalRegError
from SphericalRegLib.text_files import existing_file

# What pydicom, numpy, zlib and conversions raise over damaged or nonsensical tags. RecursionError is a RuntimeError.
_DAMAGE = (
    ValueError,
    TypeError,
    AttributeError,
    LookupError,
    ArithmeticError,
    AssertionError,
    RuntimeError,
    EOFError,
    OSError,
    MemoryError,
    InvalidDicomError,
    BytesLengthException,
    struct.error,
    zlib.error,
)
# Bytes of a file's tags and pixels once inflated: more than any X-ray or slice has.
_MOST_INFLATED = 2**31
_CHUNK = 2**20


@contextlib.contextmanager
def damage_named(path: Path) -> Iterator[None]:
    """Errors over damaged tags within become an InputError that names the file; so do our own that don't name it yet.

    No warning is printed.

    Raises:
        InputError: for a file with damaged or nonsensical tags.
    """
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # about odd private tags; what matters raises
            yield
    except SphericalRegError as error:
        if str(path) in str(error):
            raise
        raise type(error)(f"{path}: {error}") from error
    except _DAMAGE as error:
        reason = "its tags are nested too deeply" if _came_of_recursion(error) else str(error)[:200]
        raise InputError(
            f"{path} is damaged, or one of its DICOM tags makes no sense ({type(error).__name__}: {reason}): export it "
            "again."
        ) from error


def _came_of_recursion(error: BaseException | None) -> bool:
    """Whether too deep a recursion is at the root of an error: pydicom may turn it into another one on its way up."""
    while error is not None:
        if isinstance(error, RecursionError):
            return True
        error = error.__cause__ or error.__context__
    return False


def is_dicom(path: Path) -> bool:
    """Whether a file has DICOM's magic bytes."""
    if not os.path.isfile(path):  # a path too long is no file
        return False
    with path.open("rb") as file:
        return file.read(132)[128:] == b"DICM"


def read_dataset(path: str | Path, *, pixels: bool = True, tags: Sequence[str] | None = None) -> FileDataset:
    """The tags of a DICOM file.

    Values are converted when they are first used, so use them within :func:`damage_named`; those of ``tags`` are
    converted here.

    Args:
        path: the file.
        pixels: whether to read PixelData, and what stands behind it.
        tags: keywords of those that are wanted; all by default.

    Raises:
        InputError: for a file that is absent, damaged or not DICOM.
    """
    path = existing_file(path)
    with damage_named(path), _WithinFile(path) as file:
        _check_deflated(path)
        dataset = pydicom.dcmread(file, stop_before_pixels=not pixels, specific_tags=list(tags) if tags else None)
        for tag in tags or ():
            dataset.get(tag)
    return dataset


class _WithinFile(io.BufferedReader):
    """A file that is never asked for more than it holds: pydicom sets aside what a length promises, up to 4 GiB."""

    def __init__(self, path: Path) -> None:
        raw = io.FileIO(path)
        super().__init__(raw, 1 << 16)
        self._length = os.fstat(raw.fileno()).st_size

    def read(self, size: int | None = -1, /) -> bytes:
        if size is not None and size > 1 << 16:
            size = min(size, max(0, self._length - self.tell()))
        return super().read(size)


def _check_deflated(path: Path) -> None:
    """Refuse a deflated file (PS3.5 A.5) that inflates without end: pydicom inflates it in one piece."""
    with path.open("rb") as file:
        start = file.read(144)
        if len(start) < 144 or start[132:140] != b"\x02\x00\x00\x00UL\x04\x00":
            meta = b""
        else:
            meta = file.read(min(int.from_bytes(start[140:144], "little"), _CHUNK))
        if DeflatedExplicitVRLittleEndian.encode() not in (meta or start + file.read(_CHUNK)):
            return
        if not meta:
            raise InputError(f"{path} lacks the length of its meta information (PS3.10 7.1): export it again.")
        inflating, total = zlib.decompressobj(-zlib.MAX_WBITS), 0
        while (block := inflating.unconsumed_tail or file.read(_CHUNK)) and not inflating.eof:
            total += len(inflating.decompress(block, _CHUNK))
            if total > _MOST_INFLATED:
                raise InputError(
                    f"{path} inflates to more than {_MOST_INFLATED / 2**30:g} GiB, which is no image of ours: export "
                    "it again, without compression."
                )
