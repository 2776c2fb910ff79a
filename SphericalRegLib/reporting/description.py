"""What reports tell of the CT and of the settings, by name."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch

from SphericalRegLib.geometry.volume import Volume
from SphericalRegLib.imaging.ct import CT
from SphericalRegLib.registration import Settings


def describe_ct(ct: CT, volume: Volume, bones: Sequence[int | str] | None) -> dict[str, Any]:
    """What the report tells about the CT."""
    return {
        "path": ct.path,
        "voxels_ijk": list(ct.hu.shape[::-1]),
        "spacing_ijk_mm": [round(float(s), 4) for s in ct.spacing],
        "used_voxels_ijk": list(volume.density.shape[:0:-1]),
        "bones": "all" if bones is None else [str(bone) for bone in bones],
    }


def describe_settings(settings: Settings, origin: str, device: torch.device) -> dict[str, Any]:
    """The settings as the report tells them."""
    reach = settings.range
    return {
        "start": origin,
        "search_rotation_deg": reach.rotation_deg,
        "search_in_plane_mm": reach.in_plane_mm,
        "search_depth_mm": reach.depth_mm,
        "candidates": settings.candidates,
        "footprint_mm": settings.footprint_mm,
        "stages": [
            f"{s.name}: {s.size} px, {type(s.similarity).__name__}, {type(s.optimizer).__name__}, best {s.keep}"
            for s in settings.stages
        ],
        "kernel": settings.kernel,
        "seed": settings.seed,
        "device": str(device),
    }
