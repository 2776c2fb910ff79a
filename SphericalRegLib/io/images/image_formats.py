"""Which image formats are read, told by their first bytes, and what is checked of each before ITK gets the file.

ITK guesses the format from name and content, knows twenty of them, and several of its readers end the process over a
damaged header. So each file is read by the one reader of its format, and other formats are refused by name.
"""

from __future__ import annotations

import gzip
import zlib
from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

from SphericalRegLib.errors import InputError
from SphericalRegLib.io.dicom.sent_pixels import check_dicom_pixels
from SphericalRegLib.io.images.meta_header import check_meta_image, is_meta_image
from SphericalRegLib.io.images.nifti import check_nifti
from SphericalRegLib.io.images.nrrd_header import check_nrrd

_START = 512


class ImageFormat(NamedTuple):
    """A format that is read.

    Attributes:
        name: for messages.
        image_io: ITK's reader of it.
        check: raises InputError for a header that cannot be right.
        ratio: the most bytes of pixels that one byte of a file can stand for.
    """

    name: str
    image_io: str
    check: Callable[[Path], None]
    ratio: int


def _nothing(path: Path) -> None:
    """The reader checks its headers itself."""


# zlib's densest code stands for 1032 bytes; those of pictures for somewhat more.
_ZLIB, _PICTURE = 1032, 4096
_NRRD = ImageFormat("NRRD", "NrrdImageIO", check_nrrd, 10 * _ZLIB)  # bzip2 packs runs more densely
_NIFTI = ImageFormat("NIfTI", "NiftiImageIO", check_nifti, _ZLIB)
_META = ImageFormat("MHA", "MetaImageIO", check_meta_image, _ZLIB)
_DICOM = ImageFormat("DICOM", "GDCMImageIO", check_dicom_pixels, _PICTURE)
_TIFF = ImageFormat("TIFF", "TIFFImageIO", _nothing, _PICTURE)
_STARTS = {
    b"NRRD000": _NRRD,
    b"II*\0": _TIFF,
    b"MM\0*": _TIFF,
    b"II+\0": _TIFF,
    b"MM\0+": _TIFF,
    b"\x89PNG\r\n\x1a\n": ImageFormat("PNG", "PNGImageIO", _nothing, _ZLIB),
    b"\xff\xd8\xff": ImageFormat("JPEG", "JPEGImageIO", _nothing, _PICTURE),
    b"BM": ImageFormat("BMP", "BMPImageIO", _nothing, 256),
}
# Formats that people do have, and that are not read.
_OTHERS = {
    b"\x89HDF": "HDF5 or MINC",
    b"CDF": "MINC",
    b"# vtk": "VTK",
    b"\0\0\0\x0cjP": "JPEG 2000",
    b"\xff\x4f\xff\x51": "JPEG 2000",
    b"%PDF": "PDF",
    b"PK\x03\x04": "a ZIP archive",
    b"Rar!": "a RAR archive",
    b"7z\xbc\xaf": "a 7z archive",
    b"GIF8": "GIF",
    b"RIFF": "WebP or a video",
    b"\x93NUMPY": "NumPy",
    b"BZh": "bzip2",
}


def image_format(path: Path) -> ImageFormat:
    """The format of an image file.

    Raises:
        InputError: for a file of another format; the message names it as far as it is known.
    """
    try:
        with path.open("rb") as file:
            start = file.read(_START)
        if start[:2] == b"\x1f\x8b":
            with gzip.open(path) as unpacked:
                start = unpacked.read(_START)
            if not _is_nifti(start):
                raise InputError(f"{path} is a gzip file that holds no NIfTI image: unpack it, and name what it holds.")
    except (OSError, EOFError, zlib.error) as error:
        raise InputError(f"{path} cannot be read: {error}. Copy or export it again.") from None
    for magic, known in _STARTS.items():
        if start.startswith(magic):
            return known
    if start[128:132] == b"DICM":
        return _DICOM
    if _is_nifti(start) or path.name.lower().endswith((".nii", ".nii.gz")):
        return _as_nifti(path)
    if is_meta_image(start):
        return _META
    other = next((name for magic, name in _OTHERS.items() if start.startswith(magic)), None)
    kind = f"it is {other}" if other else "it is no image of a known format"
    raise InputError(
        f"{path} cannot be read: {kind}. Export it as NRRD, NIfTI (.nii, .nii.gz), MHA or DICOM, an X-ray also as "
        "TIFF or PNG."
    )


def _is_nifti(start: bytes) -> bool:
    return start[344:348] in (b"n+1\0", b"ni1\0") or start[4:8] in (b"n+2\0", b"ni2\0")


def _as_nifti(path: Path) -> ImageFormat:
    if not path.name.lower().endswith((".nii", ".nii.gz")):
        raise InputError(f"{path} is NIfTI in two files or under another name: save it as one .nii or .nii.gz file.")
    return _NIFTI
