"""Reading image files through ITK: checked before, quietly, and with errors that say what to do."""

from __future__ import annotations

import math
from pathlib import Path

import numpy as np
import SimpleITK

from SphericalRegLib.errors import InputError
from SphericalRegLib.io.images.image_formats import image_format
from SphericalRegLib.io.images.native_output import damage_in, native_output
from SphericalRegLib.text_files import existing_file

# ITK's warnings (a private tag, a rounded spacing) would bury what the user needs to read.
SimpleITK.ProcessObject.SetGlobalWarningDisplay(False)

TIFF_SUFFIXES = (".tif", ".tiff")

_BYTES_OF = {
    SimpleITK.sitkUInt8: 1,
    SimpleITK.sitkInt8: 1,
    SimpleITK.sitkUInt16: 2,
    SimpleITK.sitkInt16: 2,
    SimpleITK.sitkUInt32: 4,
    SimpleITK.sitkInt32: 4,
    SimpleITK.sitkFloat32: 4,
}


def read_header(path: str | Path) -> SimpleITK.ImageFileReader:
    """A reader that knows size, spacing and kind of pixels, with no pixel read yet.

    Raises:
        InputError: for a file that is not there, of a format that is not read, or whose header cannot be right.
    """
    path = existing_file(path)
    kind = image_format(path)
    kind.check(path)
    reader = SimpleITK.ImageFileReader()
    reader.SetImageIO(kind.image_io)
    reader.SetFileName(str(path))
    try:
        with native_output():
            reader.ReadImageInformation()
        values = math.prod(reader.GetSize()) * max(1, reader.GetNumberOfComponents())
    except (RuntimeError, MemoryError) as error:
        raise InputError(_unreadable(path, error)) from None
    promised, present = values * _BYTES_OF.get(reader.GetPixelID(), 1), path.stat().st_size
    if kind.name not in ("NRRD", "MHA") and promised > present * kind.ratio:
        raise InputError(
            f"{path} announces {promised} bytes of pixels, which a {kind.name} file of {present} bytes cannot hold: it "
            "is truncated or damaged. Copy or export it again."
        )
    return reader


def read_pixels(reader: SimpleITK.ImageFileReader) -> np.ndarray:
    """The array behind :func:`read_header`, index order reversed as always (K, J, I[, channels]), in its own type.

    Raises:
        InputError: for truncated or damaged pixel data, and for more than this machine's memory holds.
    """
    path = Path(reader.GetFileName())
    try:
        with native_output() as lines:
            image = reader.Execute()
        if (damage := damage_in(lines)) is not None:
            raise InputError(_unreadable(path, RuntimeError(damage)))
        return SimpleITK.GetArrayFromImage(image)
    except (RuntimeError, MemoryError) as error:
        raise InputError(_unreadable(path, error)) from None


def _unreadable(path: Path, error: Exception) -> str:
    lines = [line.strip() for line in str(error).splitlines() if line.strip()]
    reason = lines[-1].removeprefix("sitk::ERROR:").strip() if lines else type(error).__name__
    if isinstance(error, MemoryError) or "allocate memory" in reason:
        reason = f"this machine's memory does not suffice ({reason})"
    return (
        f"{path} cannot be read: it is truncated, damaged or not a medical image "
        f"(NRRD, NIfTI, MHA, DICOM, TIFF, PNG). ITK says: {reason}"
    )
