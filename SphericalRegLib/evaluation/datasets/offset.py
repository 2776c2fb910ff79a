"""Where registrations end on average, in the volume's own frame: an offset that all share is the truth's."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import torch
from torch import Tensor

from SphericalRegLib.errors import InputError
from SphericalRegLib.geometry import se3


class SignedOffset(NamedTuple):
    """Of N registrations, mm along right, anterior and superior: the mean, and the deviation of that mean.

    A mean near half a voxel on every axis, with a small deviation, says that the ground truth was made with another
    voxel convention (see the notes on DeepFluoro in ``deepfluoro.py``).
    """

    mean: tuple[float, float, float]
    deviation: tuple[float, float, float]
    registrations: int

    @property
    def words(self) -> str:
        """In one line."""
        shown = ", ".join(f"{m:+.2f} ± {s:.2f}" for m, s in zip(self.mean, self.deviation, strict=True))
        return f"mean signed offset of {self.registrations} registrations (right, anterior, superior): {shown} mm"


def signed_offset(poses: Tensor, truths: Tensor, center: Tensor) -> Tensor:
    """(N, 3) mm in the CT's own frame: from the center to the point that the truth puts where each pose puts it.

    Args:
        poses, truths: (N, 4, 4) rig_from_world.
        center: (3,) world mm, where it is measured.
    """
    moved = se3.inverse(truths) @ poses
    return se3.transform_points(moved, center[None])[:, 0] - center


def mean_signed_offset(offsets: Sequence[Tensor] | Tensor) -> SignedOffset:
    """Of offsets (N, 3) as :func:`signed_offset` gives them, of any subjects.

    Raises:
        InputError: for none.
    """
    if len(offsets) == 0:
        raise InputError("There are no registrations whose offset could be averaged.")
    stacked = torch.stack(list(offsets)).double()
    count = len(stacked)
    spread = stacked.std(0) / count**0.5 if count > 1 else torch.full((3,), torch.nan, dtype=torch.float64)
    mean, deviation = stacked.mean(0).tolist(), spread.tolist()
    return SignedOffset((mean[0], mean[1], mean[2]), (deviation[0], deviation[1], deviation[2]), count)
