"""What reports tell of the CT and of the run, by name."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch

from SphericalRegLib.geometry.volume import Volume
from SphericalRegLib.imaging.ct import CT
from SphericalRegLib.registration import Registration, Stage
from SphericalRegLib.similarity.table import similarity_title


def describe_ct(ct: CT, volume: Volume, bones: Sequence[int | str] | None) -> dict[str, Any]:
    """What the report tells about the CT."""
    return {
        "path": ct.path,
        "voxels_ijk": list(ct.hu.shape[::-1]),
        "spacing_ijk_mm": [round(float(s), 4) for s in ct.spacing],
        "used_voxels_ijk": list(volume.density.shape[:0:-1]),
        "bones": "all" if bones is None else [str(bone) for bone in bones],
    }


def describe_run(registration: Registration, device: torch.device) -> dict[str, Any]:
    """What the report tells of where a registration started, and how it went on.

    Raises:
        InputError: of one that has not begun.
    """
    starts, system, conditions = registration.starts, registration.system, registration.conditions
    surveyed = () if system.survey is None else (*system.survey.looks, *system.survey.finer)
    return {
        "system": f"{system.name}: {system.title}",
        "start": registration.origin,
        "search_rotation_deg": starts.reach.rotation_deg,
        "search_in_plane_mm": starts.reach.in_plane_mm,
        "search_depth_mm": starts.reach.depth_mm,
        "candidates": starts.candidates,
        "footprint_mm": system.judge.look.footprint_mm,
        "survey": [f"{look.size} px, {similarity_title(look.similarity)}" for look in surveyed],
        "stages": [_stage(stage) for stage in system.stages],
        "kernel": conditions.kernel,
        "seed": conditions.seed,
        "device": str(device),
    }


def _stage(stage: Stage) -> str:
    looks = [stage.look] if stage.also is None else [stage.look, stage.also]
    compared = " and ".join(f"{look.size or 'as trained'} px, {similarity_title(look.similarity)}" for look in looks)
    return f"{stage.name}: {compared}, {type(stage.optimizer).__name__}, best {stage.keep}"
