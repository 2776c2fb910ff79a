"""Which pixels of an X-ray are usable, as someone drew it."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from SphericalRegLib.errors import InputError
from SphericalRegLib.io.xray_file import read_picture


def read_mask(path: str | Path, shape: tuple[int, ...]) -> np.ndarray:
    """(H, W) bool: where an image is not zero.

    Args:
        path: PNG, TIFF, NRRD or MHA, gray.
        shape: (H, W) of the X-ray.

    Raises:
        InputError: for files that cannot be read, another size, or an image that is zero everywhere.
    """
    path = Path(path)
    if not path.is_file():
        raise InputError(f"There is no mask {path}: give mask='auto', mask='none' or an image of the usable pixels.")
    values, _ = read_picture(path, None, None)
    if values.shape != shape:
        raise InputError(
            f"The mask {path} has {values.shape[0]} rows and {values.shape[1]} columns, the X-ray {shape[0]} and "
            f"{shape[1]}: draw it on the X-ray itself."
        )
    usable = values != 0
    if not usable.any():
        raise InputError(f"The mask {path} is zero everywhere: it must not be zero where the X-ray is usable.")
    return np.asarray(usable)
