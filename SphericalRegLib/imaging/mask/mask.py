"""Which pixels of an X-ray can be compared with a DRR: not collimated, not filled in, not saturated, no opaque
metal."""

from __future__ import annotations

import numpy as np
from scipy import ndimage

from SphericalRegLib.imaging.mask.blades import find_blades
from SphericalRegLib.imaging.mask.field import find_field, find_shutter, inside_planes
from SphericalRegLib.imaging.mask.metal import find_metal
from SphericalRegLib.imaging.pyramid import resize_area

# Collimators and instruments are looked for at this size; their edges are then cut off by a margin for blur.
_COARSE = 256
_MARGIN = 1.5
# A value is a limit of the detector if it occurs this often: share of the image, and against the values next to it.
_PILE_SHARE = 5e-4
_PILE_EXCESS = 8.0
# Smaller images hold too little to tell a collimator from a body.
_SMALLEST_SIDE = 160
# So near the dense limit, against the spread of values, hardly anything is left to see.
_FADING = 0.02
# More of a picture than this is left out only around a small field, of most of the picture's border; a limb that is
# burnt out or very dense reaches one border and parts of two.
_MUCH = 0.4
_ALL_AROUND = 0.7


def estimate_mask(image: np.ndarray, usable: np.ndarray | None = None) -> np.ndarray:
    """The pixels of an X-ray that are worth comparing, judged from the image alone; in doubt a pixel stays.

    Left out are: what lies beyond a collimator (rectangular, slanted, round) or a shutter that was filled with one
    value; areas at the detector's dense limit (no signal: lead, metal, bone too dense to see); opaque instruments.
    Areas burnt out to the value of air stay: nearly always they are the air around the patient, whose outline is
    worth having. Images less than 160 pixels large are not judged.

    Args:
        image: (H, W), bright = dense.
        usable: (H, W) bool, pixels not yet excluded for other reasons (padding, collimator tags).

    Returns:
        (H, W) bool, a subset of ``usable``.
    """
    mask = np.ones(image.shape, bool) if usable is None else usable.copy()
    if max(image.shape) < _SMALLEST_SIDE or min(image.shape) < _SMALLEST_SIDE // 4 or not mask.any():
        return mask
    height, width = image.shape
    coarse, seen = at_working_size(image, mask)
    small = coarse.shape
    scale = (small[0] / height, small[1] / width)
    if is_limit(image, mask, air := float(image[mask].min())):
        flat = resize_area((image == air).astype(np.float32), np.ones_like(mask), *small)[0] > 0.99
        if (planes := find_shutter(coarse, flat)) is None:
            planes = find_blades(coarse, seen, flat)
        if planes is not None and _is_no_limb(~inside_planes(planes, *small)):
            mask &= inside_planes(planes, height, width, scale, _MARGIN)
            seen &= inside_planes(planes, small[0], small[1], margin=_MARGIN)
    if not seen.any():
        return mask
    # Beyond what is known to be unusable the image is continued from within, so that its edge is not found again.
    nearest = ndimage.distance_transform_edt(~seen, return_distances=False, return_indices=True)
    coarse = coarse[tuple(nearest)]
    found = [find_field(coarse), find_blades(coarse, seen)]
    for planes in found:
        if planes is not None and _is_no_limb(~inside_planes(planes, *small)):
            mask &= inside_planes(planes, height, width, scale, _MARGIN)
            seen &= inside_planes(planes, small[0], small[1], margin=_MARGIN)
    metal = find_metal(coarse, seen)
    rows = ((np.arange(height) + 0.5) * scale[0]).astype(int)
    columns = ((np.arange(width) + 0.5) * scale[1]).astype(int)
    mask &= ~metal[np.ix_(rows, columns)]
    if mask.any() and is_limit(image, mask, sparse := float(image[mask].max())):
        saturated = ndimage.binary_dilation(_saturated(image, sparse))
        if _is_no_limb(saturated):
            mask &= ~saturated
    return _without_crumbs(mask)


def _is_no_limb(left_out: np.ndarray) -> bool:
    """Whether so much may be left out: what covers nearly half of a picture must lie all around the rest."""
    border = np.concatenate([left_out[0], left_out[-1], left_out[1:-1, 0], left_out[1:-1, -1]])
    return bool(left_out.mean() < _MUCH or border.mean() > _ALL_AROUND)


def at_working_size(image: np.ndarray, mask: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """An image and its mask (H, W), averaged down to about 256 pixels where they are larger."""
    shrink = max(1.0, max(image.shape) / _COARSE)
    return resize_area(image, mask, *(max(1, round(size / shrink)) for size in image.shape))


def _without_crumbs(mask: np.ndarray) -> np.ndarray:
    """Without islands below 2 % of the image: what a dark, noisy corner leaves usable is noise too."""
    parts, count = ndimage.label(
        ndimage.binary_opening(mask, iterations=max(1, max(mask.shape) // 128), border_value=1)
    )
    if count == 0:
        return mask
    sizes = np.bincount(parts.ravel(), minlength=count + 1)
    kept = sizes >= 0.02 * mask.size
    kept[0] = False
    if not kept.any():
        return mask
    # the opening also rounds off corners and thin parts next to what is kept: give those back
    return mask & ndimage.binary_dilation(kept[parts], iterations=max(2, max(mask.shape) // 64))


def is_limit(image: np.ndarray, usable: np.ndarray, value: float) -> bool:
    """Whether so many pixels have the smallest or largest value that it is a limit of the detector, or a filling."""
    if (image == value).sum() <= _PILE_SHARE * image.size:
        return False
    values, counts = np.unique(image[usable], return_counts=True)
    if len(values) < 3:
        return False
    at = int(np.searchsorted(values, value))
    others = counts[1:9] if at == 0 else counts[-9:-1]
    return bool(counts[at] > _PILE_EXCESS * np.median(others))


def _saturated(image: np.ndarray, limit: float) -> np.ndarray:
    """Areas at the dense limit, with what fades into them. Single pixels there are noise, which is no reason to go."""
    low, high = np.percentile(image, [1, 99])
    parts, count = ndimage.label(image >= limit - _FADING * (high - low))
    at_limit = image == limit
    areas = at_limit & (ndimage.uniform_filter(at_limit.astype(np.float32), 5) > 0.6)
    full = np.zeros(count + 1, bool)
    full[np.unique(parts[areas])] = True
    full[0] = False
    return full[parts]
