"""A finished registration with everything that describes it: what ``result.json`` and the report are made of."""

from __future__ import annotations

import importlib.metadata
import json
import math
import platform
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

import SphericalRegLib
from SphericalRegLib.geometry import carm
from SphericalRegLib.imaging.xray import XRay
from SphericalRegLib.registration import Result, System
from SphericalRegLib.registration.plain import as_plain
from SphericalRegLib.similarity.table import similarity_meaning
from SphericalRegLib.threads import get_threads

DISCLAIMER = SphericalRegLib.DISCLAIMER
_LIBRARIES = ("torch", "numpy", "scipy", "SimpleITK", "pydicom", "numba", "opencv-python-headless", "matplotlib")


@dataclass(frozen=True)
class Outcome:
    """One registration and its circumstances.

    Attributes:
        result: what the registration returned.
        xrays: the views, in its order.
        starts: (S, 4, 4) rig_from_world that it started from.
        isocenter: (3,) world mm.
        ct: what describes the CT, by name.
        settings: what was chosen, by name.
        errors: of the result against the truth, by name and unit; None without a truth.
        start_errors: of the first start, likewise.
        notes: what the user should know of how it was done, such as an X-ray unlike those a model was trained on.
        system: the method, which ``register --system result.json`` repeats; None where it is not known.
    """

    result: Result
    xrays: Sequence[XRay]
    starts: Tensor
    isocenter: Tensor
    ct: Mapping[str, Any]
    settings: Mapping[str, Any]
    errors: Mapping[str, float] | None = None
    start_errors: Mapping[str, float] | None = None
    versions: Mapping[str, str] = field(default_factory=lambda: versions())
    notes: tuple[str, ...] = ()
    system: System | None = None

    @property
    def standard_deviations(self) -> tuple[list[float], list[float]]:
        """Of the pose about the isocenter, in the rig's axes x, y, z: degrees and mm, infinite along an axis with depth
        in it where that is not known."""
        deviations = self.result.covariance.diagonal().clamp(min=0).sqrt()
        if not self.result.depth_known:
            along = self.xrays[0].view.camera_from_rig[2, :3].abs() > 1e-3
            deviations[3:] = torch.where(along, torch.inf, deviations[3:])
        return torch.rad2deg(deviations[:3]).tolist(), deviations[3:].tolist()

    @property
    def cautions(self) -> tuple[str, ...]:
        """What the verdict cannot judge, whatever it says: of the X-rays' files, of the model, of the views' number."""
        of_files = tuple(f"{Path(one.path).name}: {note}" for one in self.xrays for note in one.notes)
        of_files += self.result.verdict.remarks
        if not self.result.depth_known:
            return (
                *of_files,
                *self.notes,
                "Depth not known from one view, which does not fix that of a bone alone: accepted results were off "
                "by 10 mm and more. Add a second view.",
            )
        return of_files + self.notes

    def to_json(self) -> str:
        """The text of ``result.json``; units stand in the names, numbers that are not finite become null."""
        return as_json(self.content())

    def content(self) -> dict[str, Any]:
        """What ``result.json`` holds: numbers, texts, lists and dictionaries."""
        content: dict[str, Any] = finite(self._content())
        return content

    def _content(self) -> dict[str, Any]:
        result, errors = self.result, dict(self.errors or {})
        rotation_deg, translation_mm = self.standard_deviations
        angles = carm.angles_from_pose(self.xrays[0].view.camera_from_world(result.pose))
        content: dict[str, Any] = {
            "accepted": result.verdict.accepted,
            "verdict": result.verdict.words,
            "reasons": list(result.verdict.reasons),
            "cautions": list(self.cautions),
            **({"mtre_mm": errors["mtre_mm"]} if errors else {}),
            "seconds": result.seconds,
            "cost": result.cost,
            "verdict_cost": result.verdict_cost,
            "cost_meaning": self._cost_meaning(),
            "half_widths_95": asdict(result.half_widths),
            "half_widths_from": result.intervals_from,
            "half_widths_meaning": "the truth lies within ± so much in 95 of 100 cases: rotation about the worst axis, "
            "the isocenter's place in the first view's plane, and its depth; null: not known",
            "depth_known": result.depth_known,
            "depth_sd_mm": result.depth_sd_mm,
            "rotation_sd_deg": rotation_deg,
            "translation_sd_mm": translation_mm,
            "pose_rig_from_world_ras_mm": result.pose.tolist(),
            "carm_angles_deg": angles._asdict(),
            "isocenter_world_ras_mm": self.isocenter.tolist(),
            "covariance_rad_mm": result.covariance.tolist(),
            "covariance_meaning": "twist (rotation rad, translation mm) about the isocenter, in the rig's axes",
        }
        if errors:
            content["errors"] = errors
            content["start_errors"] = dict(self.start_errors or {})
        return content | {
            "iterations": len(result.history),
            "start_poses_rig_from_world_ras_mm": self.starts.tolist(),
            "xrays": [self._view(index) for index in range(len(self.xrays))],
            "ct": dict(self.ct),
            "settings": dict(self.settings),
            **({} if self.system is None else {"system": as_plain(self.system)}),
            "versions": dict(self.versions),
            "notice": DISCLAIMER,
        }

    def _cost_meaning(self) -> str:
        """In words, of ``cost`` and ``verdict_cost``."""
        if self.system is None:
            return "the last stage's, and that on which the verdict stands; small is good"
        last = self.system.stages[-1].look if self.system.stages else self.system.judge.look
        words = [similarity_meaning(look.similarity) for look in (last, self.system.judge.look)]
        if words[0] == words[1]:
            return f"{words[0]}; at the last stage, and as the verdict looks at it"
        return f"cost: {words[0]}; verdict_cost: {words[1]}"

    def _view(self, index: int) -> dict[str, Any]:
        xray, weights = self.xrays[index], self.result.views[index].weights
        view = xray.view
        return {
            "path": xray.path,
            "frame": xray.frame,
            "rows": view.height,
            "columns": view.width,
            "spacing_row_column_mm": list(view.spacing),
            "source_to_detector_mm": view.sdd,
            "source_to_isocenter_mm": view.sad,
            "tolerance_95": asdict(view.tolerance),
            "intrinsics_px": view.intrinsics.tolist(),
            "camera_from_rig_mm": view.camera_from_rig.tolist(),
            "mirrored": view.mirrored,
            "usable_fraction": float(xray.mask.mean()),
            "mean_weight": float(weights.mean()),
            "values": xray.conversion,
        }


def as_json(content: Mapping[str, Any]) -> str:
    """Text of a JSON file."""
    return json.dumps(content, indent=2, allow_nan=False) + "\n"


def versions() -> dict[str, str]:
    """Of this software, Python, the machine and the libraries that numbers depend on."""
    found = {"SphericalReg": SphericalRegLib.__version__, "Python": platform.python_version()}
    for name in _LIBRARIES:
        try:
            found[name] = importlib.metadata.version(name)
        except importlib.metadata.PackageNotFoundError:  # another distribution brings the same module
            found[name] = "unknown"
    return found | {"machine": f"{platform.system()} {platform.machine()}, {get_threads()} threads"}


def finite(value: Any) -> Any:
    """Plain data in which numbers that are not finite are None, as JSON has it."""
    if isinstance(value, Mapping):
        return {str(key): finite(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [finite(item) for item in value]
    if isinstance(value, np.generic):
        return finite(value.item())
    if isinstance(value, float):
        return value if math.isfinite(value) else None
    return value
