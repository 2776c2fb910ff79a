"""Patient frames: RAS (Slicer, this library) and LPS (DICOM, ITK), and DICOM's letters for patient directions."""

from __future__ import annotations

import torch
from torch import Tensor

from SphericalRegLib.errors import GeometryError

# Unit vectors of the patient directions in RAS.
DIRECTIONS: dict[str, tuple[float, float, float]] = {
    "R": (1.0, 0.0, 0.0),
    "L": (-1.0, 0.0, 0.0),
    "A": (0.0, 1.0, 0.0),
    "P": (0.0, -1.0, 0.0),
    "S": (0.0, 0.0, 1.0),
    "I": (0.0, 0.0, -1.0),
}
# DICOM's PatientOrientation says head and foot.
_DICOM_LETTERS = {"H": "S", "F": "I"}
_FLIP = (-1.0, -1.0, 1.0, 1.0)


def flip_points(points: Tensor) -> Tensor:
    """Points or vectors (..., 3) from RAS to LPS or from LPS to RAS: the flip is its own inverse."""
    return points * torch.tensor(_FLIP[:3], dtype=points.dtype, device=points.device)


def flip_affine(matrices: Tensor) -> Tensor:
    """Matrices (..., 4, 4) that map *into* one patient frame, so that they map into the other.

    For ``world_from_voxel`` (an image's direction, spacing and origin). Its own inverse.
    """
    return torch.tensor(_FLIP, dtype=matrices.dtype, device=matrices.device)[:, None] * matrices


def flip_transform(matrices: Tensor) -> Tensor:
    """Transforms (..., 4, 4) between two patient frames, rewritten from RAS to LPS or back: F T F.

    For ITK transform files, where source and target frame are both LPS. Its own inverse.
    """
    flip = torch.tensor(_FLIP, dtype=matrices.dtype, device=matrices.device)
    return flip[:, None] * matrices * flip


def direction(name: str) -> Tensor:
    """Unit vector (3,) float64 in RAS of a patient direction such as ``"L"``, ``"H"`` or the oblique ``"LAF"``.

    DICOM orders the letters of an oblique direction by decreasing component (PS3.3 C.7.6.1.1.1) but does not give their
    sizes: each letter is taken at half the weight of the one before.

    Raises:
        GeometryError: for letters that are not R, L, A, P, H/S, F/I, or for opposite ones together.
    """
    total = torch.zeros(3, dtype=torch.float64)
    weight = 1.0
    for letter in name.strip().upper():
        key = _DICOM_LETTERS.get(letter, letter)
        if key not in DIRECTIONS:
            raise GeometryError(f"The patient direction '{name}' is not made of the letters R, L, A, P, H, F.")
        axis = torch.tensor(DIRECTIONS[key], dtype=torch.float64)
        if (total * axis).abs().max() > 0:
            raise GeometryError(f"The patient direction '{name}' names the same axis twice.")
        total = total + weight * axis
        weight /= 2
    if weight == 1.0:
        raise GeometryError("A patient direction is empty: give letters out of R, L, A, P, H, F.")
    return total / total.norm()


def direction_letters(vector: Tensor, smallest: float = 0.3) -> str:
    """DICOM's letters for a RAS vector (3,), largest component first; small ones (see ``smallest``) left out."""
    unit = vector / vector.norm()
    order = sorted(range(3), key=lambda axis: -abs(float(unit[axis])))
    pairs = ("RL", "AP", "HF")
    return "".join(
        pairs[axis][int(unit[axis] < 0)]
        for rank, axis in enumerate(order)
        if rank == 0 or abs(float(unit[axis])) >= smallest
    )
