"""Writing single images: PNG for the eye, NRRD or MHA with every digit for programs."""

from __future__ import annotations

from pathlib import Path

import cv2
import numpy as np
import SimpleITK
from numpy.typing import NDArray

from SphericalRegLib.errors import InputError
from SphericalRegLib.io.images.itk_writer import write_itk_image
from SphericalRegLib.whole_file import write_whole

FLOAT_SUFFIXES = (".nrrd", ".mha", ".tif", ".tiff")


def encode_png(pixels: NDArray[np.uint8]) -> bytes:
    """PNG of gray (H, W) or red-green-blue (H, W, 3) pixels."""
    blue_first = pixels if pixels.ndim == 2 else pixels[..., ::-1]
    return bytes(cv2.imencode(".png", np.ascontiguousarray(blue_first))[1].tobytes())


def to_gray(image: NDArray[np.floating], mask: NDArray[np.bool_] | None = None) -> NDArray[np.uint8]:
    """(H, W) uint8: all but the outermost half percent of the masked values, stretched over black to white."""
    seen = image[mask] if mask is not None and mask.any() else image
    low, high = (float(value) for value in np.percentile(seen, [0.5, 99.5]))
    return np.round(255 * np.clip((image - low) / max(high - low, 1e-12), 0, 1)).astype(np.uint8)


def write_image(path: str | Path, image: NDArray[np.floating], spacing_mm: tuple[float, float]) -> None:
    """Write an image (H, W): windowed to 8 bits as ``.png``, or all float32 values as ``.nrrd``, ``.mha``, ``.tif``.

    Args:
        path: of the file; its folder must exist.
        image: (H, W).
        spacing_mm: (row, column) distance of pixel centers, which NRRD and MHA keep.

    Raises:
        InputError: for another kind of file, or where it cannot be written.
    """
    path = Path(path)
    suffix = path.suffix.lower()
    if suffix == ".png":
        write_whole(path, encode_png(to_gray(image)))
    elif suffix in FLOAT_SUFFIXES:
        picture = SimpleITK.GetImageFromArray(image.astype(np.float32))
        picture.SetSpacing((spacing_mm[1], spacing_mm[0]))
        write_itk_image(path, picture)
    else:
        raise InputError(f"{path.name} is no kind of image: name it .png, {', '.join(FLOAT_SUFFIXES)}.")
