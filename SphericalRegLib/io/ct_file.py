"""Writing a CT to a file that :func:`~SphericalRegLib.io.ct.read_ct` reads back as it was."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import SimpleITK
import torch

from SphericalRegLib.geometry import frames
from SphericalRegLib.imaging.ct import CT
from SphericalRegLib.io.images.itk_writer import write_itk_image


def write_ct(path: str | Path, ct: CT) -> None:
    """Write Hounsfield units and grid, without labels.

    Whole HU are written as 16 bits where they fit, anything else as float32.

    Args:
        path: ``.nrrd``, ``.mha`` or ``.nii.gz``; its folder must exist.
        ct: whose grid does not shear.

    Raises:
        InputError: where it cannot be written.
    """
    whole = bool((ct.hu == np.round(ct.hu)).all()) and float(ct.hu.max()) <= np.iinfo(np.int16).max
    image = SimpleITK.GetImageFromArray(ct.hu.astype(np.int16) if whole else ct.hu)
    lps = frames.flip_affine(torch.from_numpy(ct.world_from_voxel)).numpy()
    image.SetSpacing(ct.spacing.tolist())
    image.SetDirection((lps[:3, :3] / ct.spacing).ravel().tolist())
    image.SetOrigin(lps[:3, 3].tolist())
    write_itk_image(path, image)
