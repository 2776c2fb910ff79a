"""From a CT to what a renderer takes: attenuation, cropped to the body, whole or only chosen bones."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal

import numpy as np
import torch
from scipy import ndimage

from SphericalRegLib.errors import InputError
from SphericalRegLib.geometry.volume import Volume
from SphericalRegLib.imaging.attenuation import linear_attenuation
from SphericalRegLib.imaging.ct import CT
from SphericalRegLib.imaging.labels import labels_present, select_labels

# Denser than lung and than any cushion or tabletop foam.
_BODY_HU = -400.0
# A leg beside a leg or an arm beside the trunk belongs to the body; a cable or a fiducial does not stretch the box.
_SMALLEST_PART = 0.05
# The body is searched for on about this many voxels along each axis: its box needs no more.
_COARSE = 128

Box = tuple[slice, slice, slice]


def to_volume(
    ct: CT,
    *,
    energy_kev: float = 70.0,
    labels: Sequence[int | str] | None = None,
    crop: bool = True,
    channels: Literal["one", "labels"] = "one",
) -> Volume:
    """Linear attenuation of a CT in 1/mm, by the two-segment model of :mod:`attenuation`.

    The volume's isocenter is the middle of the box around the body, or around the chosen bones, whether cropped or not:
    poses about it mean the same for both.

    Args:
        ct: the CT.
        energy_kev: the X-ray's effective energy.
        labels: render only these bones, by number or name; everything else becomes air.
        crop: keep only the box around the body or the bones, and one voxel around it. The geometry stays exact.
        channels: "one" channel, or "labels": one for each chosen label (all of them if none is chosen), in that order.

    Returns:
        density (C, K, J, I) float32.

    Raises:
        InputError: without anything but air, for an empty or unknown selection, or labels wanted where there are none.
    """
    chosen: list[int] | None = None
    if labels is not None:
        chosen = select_labels(ct.labels, ct.label_names, labels)
    elif channels == "labels":
        chosen = select_labels(ct.labels, ct.label_names, labels_present(ct.labels) if ct.labels is not None else [])
    if chosen is None:
        tight = body_box(ct.hu, ct.path)
    else:
        assert ct.labels is not None
        tight = box_of(np.isin(ct.labels, chosen))
    box = grown(tight, ct.hu.shape) if crop else (slice(None),) * 3
    density = linear_attenuation(ct.hu[box], energy_kev)
    if chosen is None:
        density = density[None]
    else:
        assert ct.labels is not None
        inside = ct.labels[box]
        if channels == "labels":
            density = np.stack([np.where(inside == label, density, np.float32(0)) for label in chosen])
        else:
            density = np.where(np.isin(inside, chosen), density, np.float32(0))[None]
        if not density.any():
            names = [ct.label_names.get(label, label) for label in chosen]
            raise InputError(f"The chosen labels {names} cover only air in {ct.path}: does the label map fit this CT?")
    start = np.array([s.start or 0 for s in reversed(box)], dtype=float)
    matrix = ct.world_from_voxel.copy()
    matrix[:3, 3] += matrix[:3, :3] @ start
    middle = np.array([(s.start + s.stop - 1) / 2 for s in reversed(tight)])
    isocenter = ct.world_from_voxel[:3, :3] @ middle + ct.world_from_voxel[:3, 3]
    return Volume(
        torch.from_numpy(np.ascontiguousarray(density)), torch.from_numpy(matrix), torch.from_numpy(isocenter)
    )


def body_box(hu: np.ndarray, name: str = "The CT") -> Box:
    """Slices (k, j, i) around all that is denser than -400 HU and not a speck.

    Raises:
        InputError: where everything is air.
    """
    steps = [max(1, n // _COARSE) for n in hu.shape]
    dense = hu[:: steps[0], :: steps[1], :: steps[2]] > _BODY_HU
    parts, count = ndimage.label(dense)
    if count == 0:
        raise InputError(
            f"{name} holds nothing but air: no sampled voxel is above {_BODY_HU:g} HU (highest {hu.max():g})."
        )
    sizes = np.bincount(parts.ravel())[1:]
    kept = 1 + np.flatnonzero(sizes >= _SMALLEST_PART * sizes.max())
    coarse = box_of(np.isin(parts, kept))
    # Between two samples the body may reach up to one step further.
    return tuple(  # type: ignore[return-value]
        slice(max(0, (s.start - 1) * step + 1), min(n, s.stop * step))
        for s, step, n in zip(coarse, steps, hu.shape, strict=True)
    )


def box_of(mask: np.ndarray) -> Box:
    """Slices (k, j, i) around all that a mask (K, J, I) holds, which is something."""
    box: list[slice] = []
    for axis in range(3):
        others = tuple(a for a in range(3) if a != axis)
        filled = np.flatnonzero(mask.any(axis=others))
        box.append(slice(int(filled[0]), int(filled[-1]) + 1))
    return box[0], box[1], box[2]


def grown(box: Box, shape: tuple[int, ...], voxels: int = 1) -> Box:
    """The box and so many voxels around it, within the volume: interpolation must fall to zero outside, not be cut
    off."""
    a, b, c = (slice(max(0, s.start - voxels), min(n, s.stop + voxels)) for s, n in zip(box, shape, strict=True))
    return a, b, c
