"""Writing by ITK, which does not notice a full disk for every format: what was written is read again."""

from __future__ import annotations

import os
from pathlib import Path

import numpy as np
import SimpleITK

from SphericalRegLib.whole_file import write_whole

_DIFFERS = "it does not read back as it was written; the disk may be full"
_TEXTS = (".tfm", ".txt")


def write_itk_image(path: str | os.PathLike[str], image: SimpleITK.Image) -> None:
    """Write an image, compressed where its format can be; whole or not at all.

    Raises:
        InputError: where it cannot be written.
    """

    def write(file: Path) -> None:
        SimpleITK.WriteImage(image, str(file), useCompression=True)
        pixels = SimpleITK.GetArrayViewFromImage(image)
        try:
            again = SimpleITK.GetArrayFromImage(SimpleITK.ReadImage(str(file), image.GetPixelID()))
        except RuntimeError:
            raise OSError(_DIFFERS) from None
        # as bits, so that NaN equals itself
        if again.shape != pixels.shape or not np.array_equal(again.view(np.uint8), pixels.view(np.uint8)):
            raise OSError(_DIFFERS)

    write_whole(path, write)


def write_itk_transform(path: str | os.PathLike[str], transform: SimpleITK.Transform) -> None:
    """Write a transform; whole or not at all.

    Raises:
        InputError: where it cannot be written.
    """

    def write(file: Path) -> None:
        SimpleITK.WriteTransform(transform, str(file))
        # ITK takes numbers that are missing from a text for those of the identity
        if file.suffix.lower() in _TEXTS and not _is_whole(file.read_text(encoding="utf-8")):
            raise OSError(_DIFFERS)
        try:
            again = SimpleITK.ReadTransform(str(file))
        except RuntimeError:
            raise OSError(_DIFFERS) from None
        for values in ("GetParameters", "GetFixedParameters"):
            if not np.allclose(getattr(again, values)(), getattr(transform, values)(), rtol=1e-12, atol=1e-12):
                raise OSError(_DIFFERS)

    write_whole(path, write)


def _is_whole(text: str) -> bool:
    """Whether a transform's text reaches to the end of its last line."""
    return text.endswith("\n") and text.splitlines()[-1].startswith("FixedParameters:")
