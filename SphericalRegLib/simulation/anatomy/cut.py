"""A part of a CT, as real ones are: what a scanner's field left out, or the bones that a surgeon cares about.

An X-ray is simulated from the whole CT and registered with a part of it. So the anatomy that goes on beyond the part's
ends is real, not slices repeated.
"""

from __future__ import annotations

from dataclasses import replace
from typing import Literal, get_args

import numpy as np

from SphericalRegLib.errors import InputError
from SphericalRegLib.imaging.ct import CT

Kind = Literal["one end", "both ends", "side", "hip", "vertebrae"]
KINDS: tuple[Kind, ...] = get_args(Kind)
"""What may be left of a CT."""

_BONE_HU = 250.0
_FEWEST_BONE_VOXELS = 200
_MARGIN_MM = 15.0

Box = tuple[tuple[int, int], tuple[int, int], tuple[int, int]]


def crop_ct(ct: CT, box: Box) -> CT:
    """The voxels of a CT within a box; they stay where they are in the world.

    Args:
        ct: the CT, with or without labels.
        box: first and last + 1 along i, j, k.

    Raises:
        InputError: for a box that is empty or reaches beyond the CT.
    """
    sizes = ct.hu.shape[::-1]
    if any(not 0 <= a < b <= n for (a, b), n in zip(box, sizes, strict=True)):
        raise InputError(f"The box {box} (first and last + 1 voxel along i, j, k) does not lie within a CT of {sizes}.")
    cut = tuple(slice(a, b) for a, b in reversed(box))
    matrix = ct.world_from_voxel.copy()
    matrix[:3, 3] += matrix[:3, :3] @ np.array([a for a, _ in box], np.float64)
    labels = None if ct.labels is None else np.ascontiguousarray(ct.labels[cut])
    return replace(ct, hu=np.ascontiguousarray(ct.hu[cut]), world_from_voxel=matrix, labels=labels)


def kinds_of(ct: CT) -> tuple[Kind, ...]:
    """The cuts that make sense: a hip or vertebrae only where labels tell them."""
    names = set(ct.label_names.values()) if ct.labels is not None else set()
    wanted = {"hip": any(n.startswith("hip_") for n in names), "vertebrae": len(_vertebrae(ct)) >= 2}
    return tuple(kind for kind in KINDS if wanted.get(kind, True))


def cut_ct(ct: CT, rng: np.random.Generator, kind: Kind | None = None) -> CT:
    """A part of a CT, drawn at random.

    - "one end": without 20 to 50 % of its length, at the head's or the foot's end;
    - "both ends": without 15 to 30 % at each;
    - "side": without 25 to 45 % of its width, at the left or the right;
    - "hip": one hip bone (and femur) with 15 mm around it;
    - "vertebrae": two to four neighbors with 15 mm around them, the rest of those slices cut away at the sides too.

    Args:
        ct: the whole CT.
        rng: the source of chance.
        kind: which; drawn from :func:`kinds_of` by default.

    Raises:
        InputError: for an unknown kind, a hip or vertebrae where no label tells them, or if hardly any bone would be
            left.
    """
    if kind is not None and kind not in KINDS:
        raise InputError(f"There is no cut {kind!r}: choose from {', '.join(KINDS)}.")
    possible = kinds_of(ct)
    chosen = kind or possible[int(rng.integers(len(possible)))]
    if chosen not in possible:
        raise InputError(f"A CT can be cut to {chosen!r} only where labels name such bones: give labels and names.")
    part = crop_ct(ct, _box(ct, rng, chosen))
    if int((part.hu > _BONE_HU).sum()) < _FEWEST_BONE_VOXELS:
        raise InputError(
            f"Cut to {chosen!r}, {ct.path or 'the CT'} holds hardly any bone: cut another part, or a CT with more bone."
        )
    return part


def _box(ct: CT, rng: np.random.Generator, kind: Kind) -> Box:
    sizes = ct.hu.shape[::-1]
    box = [(0, n) for n in sizes]
    if kind == "hip":
        side = str(rng.choice([n.removeprefix("hip_") for n in ct.label_names.values() if n.startswith("hip_")]))
        return _around(ct, [f"hip_{side}", f"femur_{side}"])
    if kind == "vertebrae":
        names = _vertebrae(ct)
        count = int(rng.integers(2, min(4, len(names)) + 1))
        first = int(rng.integers(len(names) - count + 1))
        return _around(ct, names[first : first + count])
    axis = _axis_along(ct, 0 if kind == "side" else 2)
    n = sizes[axis]
    if kind == "both ends":
        low, high = rng.uniform(0.15, 0.3, 2)
        box[axis] = (round(low * n), n - round(high * n))
    else:
        gone = round(n * (rng.uniform(0.2, 0.5) if kind == "one end" else rng.uniform(0.25, 0.45)))
        box[axis] = (gone, n) if rng.random() < 0.5 else (0, n - gone)
    return box[0], box[1], box[2]


def _axis_along(ct: CT, world_axis: int) -> int:
    """The voxel axis (0: i) that is nearest to a world axis (0: right to left, 2: foot to head)."""
    directions = ct.world_from_voxel[:3, :3] / np.linalg.norm(ct.world_from_voxel[:3, :3], axis=0)
    return int(np.abs(directions[world_axis]).argmax())


def _vertebrae(ct: CT) -> list[str]:
    """Names of the labeled vertebrae, from the foot up."""
    if ct.labels is None:
        return []
    heights = {}
    for label, name in ct.label_names.items():
        if name.startswith("vertebrae_") and (voxels := np.argwhere(ct.labels == label)).size:
            heights[name] = float((ct.world_from_voxel[:3, :3] @ voxels.mean(axis=0)[::-1])[2])
    return sorted(heights, key=lambda name: heights[name])


def _around(ct: CT, names: list[str]) -> Box:
    """The box around labeled bones, with a margin, within the CT."""
    assert ct.labels is not None
    chosen = [label for label, name in ct.label_names.items() if name in names]
    voxels = np.argwhere(np.isin(ct.labels, chosen))[:, ::-1]
    if not len(voxels):
        raise InputError(f"The CT's label map holds none of {', '.join(names)}: cut another part.")
    margin = np.ceil(_MARGIN_MM / ct.spacing).astype(int)
    low = np.maximum(voxels.min(axis=0) - margin, 0)
    high = np.minimum(voxels.max(axis=0) + margin + 1, ct.hu.shape[::-1])
    return (int(low[0]), int(high[0])), (int(low[1]), int(high[1])), (int(low[2]), int(high[2]))
