"""How many voxels the functions of a ray can count."""

from __future__ import annotations

import math

from SphericalRegLib.geometry.volume import Volume

# Indices are 32 bits wide: wider ones would halve the width of the CPU's vector gathers, and cost a GPU registers.
_MAX_VOXELS = 2**31


def beyond_indices(volume: Volume) -> str | None:
    """Why a volume, padded by one voxel, has too many, in words that follow "the ... kernel"; None where it has not."""
    shape = volume.density.shape[1:]
    if math.prod(size + 2 for size in shape) < _MAX_VOXELS:
        return None
    sizes = " × ".join(str(size) for size in reversed(shape))
    return f"counts voxels in 32 bits, too few for {sizes} (coarsen or crop the CT)"
