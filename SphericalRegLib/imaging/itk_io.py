"""Reading image files through ITK: quietly, and with errors that say what to do."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import SimpleITK

from SphericalRegLib.errors import InputError
from SphericalRegLib.imaging.nifti import check_nifti
from SphericalRegLib.text_files import existing_file

# ITK's warnings (a private tag, a rounded spacing) would bury what the user needs to read.
SimpleITK.ProcessObject.SetGlobalWarningDisplay(False)

TIFF_SUFFIXES = (".tif", ".tiff")


def read_header(path: str | Path) -> SimpleITK.ImageFileReader:
    """A reader that knows size, spacing and kind of pixels, with no pixel read yet.

    Raises:
        InputError: for a file that is not there or not an image that ITK reads.
    """
    path = existing_file(path)
    check_nifti(path)
    reader = SimpleITK.ImageFileReader()
    reader.SetFileName(str(path))
    try:
        reader.ReadImageInformation()
    except RuntimeError as error:
        raise InputError(_unreadable(path, error)) from None
    return reader


def read_pixels(reader: SimpleITK.ImageFileReader) -> np.ndarray:
    """The array behind :func:`read_header`, index order reversed as always (K, J, I[, channels]), in its own type.

    Raises:
        InputError: for truncated or damaged pixel data.
    """
    try:
        image = reader.Execute()
    except (RuntimeError, MemoryError) as error:
        raise InputError(_unreadable(Path(reader.GetFileName()), error)) from None
    return SimpleITK.GetArrayFromImage(image)


def _unreadable(path: Path, error: Exception) -> str:
    lines = [line.strip() for line in str(error).splitlines() if line.strip()]
    reason = lines[-1].removeprefix("sitk::ERROR:").strip() if lines else type(error).__name__
    return (
        f"{path} cannot be read: it is truncated, damaged or not a medical image "
        f"(NRRD, NIfTI, MHA, DICOM, TIFF, PNG). ITK says: {reason}"
    )
