"""X-rays from PNG, TIFF, NRRD and MHA: gray values, one picture, no geometry."""

from __future__ import annotations

import math
from pathlib import Path

import numpy as np

from SphericalRegLib.errors import InputError
from SphericalRegLib.io.dicom.xray import chosen_frame
from SphericalRegLib.io.images import itk_io
from SphericalRegLib.io.picture_size import check_picture_size


def read_picture(path: Path, frame: int | None, channel: int | None) -> tuple[np.ndarray, int]:
    """(H, W) values as stored, and the page they are from (counted from 0).

    Args:
        path: PNG, TIFF (8 or 16 bits, float), NRRD or MHA.
        frame: page or slice, required where there are several.
        channel: which of a color image's channels; not needed where red, green and blue are the same.

    Raises:
        InputError: for color without a choice, several pages without a choice, or unreadable files.
    """
    reader = itk_io.read_header(path)
    pages = math.prod(reader.GetSize()[2:])
    check_picture_size(reader.GetSize()[1], reader.GetSize()[0], path, pages * reader.GetNumberOfComponents())
    frame = chosen_frame(pages, frame, path)
    channels = reader.GetNumberOfComponents()
    values = itk_io.read_pixels(reader)
    if channels == 1:
        return values.reshape(-1, *values.shape[-2:])[frame], frame
    values = values.reshape(-1, *values.shape[-3:])[frame]
    colors = values[..., : min(channels, 3)] if channels > 2 else values[..., :1]  # a last channel is opacity
    if channel is None:
        if (colors != colors[..., :1]).any():
            raise InputError(
                f"{path} is a color image with {channels} channels: an X-ray has gray values. Export the "
                "original, or pass "
                f"channel=0 to channel={channels - 1} to take one of them."
            )
        return colors[..., 0], frame
    if not 0 <= channel < channels:
        raise InputError(f"{path} has no channel {channel}: it holds {channels}, counted from 0.")
    return values[..., channel], frame
