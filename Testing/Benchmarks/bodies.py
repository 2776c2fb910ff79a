"""Bones that moved within the patient, in simulated X-rays of the moved patient: each alone, and all bodies at once."""

from __future__ import annotations

import argparse
import json
from dataclasses import dataclass, replace

import numpy as np
import torch
from machine import describe
from torch import Tensor

from SphericalRegLib.evaluation.cases import bone_points
from SphericalRegLib.evaluation.metrics import mtre, rotation_error_deg, translation_error
from SphericalRegLib.geometry import se3
from SphericalRegLib.geometry.carm import pose_from_preset
from SphericalRegLib.geometry.view import View
from SphericalRegLib.imaging.bodies import REST, bodies_of
from SphericalRegLib.imaging.crop import cropped_around
from SphericalRegLib.imaging.ct import CT
from SphericalRegLib.imaging.labels import select_labels
from SphericalRegLib.imaging.volume import to_volume
from SphericalRegLib.imaging.xray import XRay
from SphericalRegLib.io.ct import read_ct
from SphericalRegLib.io.sequences.given import one_frame
from SphericalRegLib.registration import SYSTEMS, Case, register
from SphericalRegLib.sample import sample_path
from SphericalRegLib.simulation.anatomy.moved_bones import with_bones_moved
from SphericalRegLib.simulation.case_xray import simulated_xray
from SphericalRegLib.tracking.expectation import Motion
from SphericalRegLib.tracking.tracker import FrameDone, Plan, Tracker

# Bones move by so much within the patient, uniformly; the patient lies so far from the preset, and the start so far
# from the patient.
_MOVED = (5.0, 5.0)
_PATIENT = (8.0, 10.0)
_START = (1.5, 3.0)
_PIXELS, _SPACING, _SDD, _SAD = 384, 0.95, 1000.0, 700.0


@dataclass(frozen=True)
class Moved:
    """One case: X-rays of a patient whose bones have moved."""

    xrays: list[XRay]
    truths: dict[str, Tensor]
    start: Tensor


def drawn_twist(rng: np.random.Generator, degrees: float, mm: float) -> Tensor:
    """(6,) uniform about and along each axis."""
    return torch.from_numpy(np.concatenate([np.deg2rad(rng.uniform(-degrees, degrees, 3)), rng.uniform(-mm, mm, 3)]))


def biplane(center: Tensor) -> tuple[list[View], Tensor]:
    """AP and lateral of one rig, which is the AP camera, and the nominal pose."""
    ap = View.from_spacing(_PIXELS, _PIXELS, _SDD, (_SPACING, _SPACING), sad=_SAD, name="AP")
    frontal, side = (pose_from_preset(name, _SAD, center) for name in ("AP", "left lateral"))
    return [ap, replace(ap, camera_from_rig=side @ se3.inverse(frontal), name="lateral")], frontal


def taken_case(ct: CT, bones: dict[str, list[int]], center: Tensor, level: str, seed: int, index: int) -> Moved:
    """Case ``index`` of a seed."""
    rng = np.random.default_rng([seed, index])
    views, nominal = biplane(center)
    rest = se3.about(drawn_twist(rng, *_PATIENT), nominal, center)
    volumes = {name: to_volume(ct, labels=labels) for name, labels in bones.items()}
    truths = {name: se3.about(drawn_twist(rng, *_MOVED), rest, volumes[name].center) for name in bones}
    motions = [(bones[name], (se3.inverse(rest) @ truths[name]).numpy()) for name in bones]
    patient = with_bones_moved(ct, motions)
    xrays = []
    for number, view in enumerate(views):
        # the simulator and the file know one camera only
        alone = replace(view, camera_from_rig=torch.eye(4, dtype=torch.float64))
        camera = view.camera_from_world(rest)
        xray = simulated_xray(patient, alone, camera, level, 10_000 * seed + 10 * index + number, occluder=False)
        xrays.append(replace(xray, view=view))
    start = se3.about(drawn_twist(rng, *_START), rest, center)
    return Moved(xrays, truths | {REST: rest}, start)


def error(pose: Tensor, truth: Tensor, points: Tensor, center: Tensor, view: View) -> dict[str, float]:
    shift = translation_error(pose, truth, center, view)
    return {
        "mtre_mm": float(mtre(pose, truth, points)),
        "rotation_deg": float(rotation_error_deg(pose, truth)),
        "plane_mm": float(shift.in_plane_mm),
        "depth_mm": float(shift.depth_mm),
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--bones", nargs="+", default=["vertebrae_L3"], help="labels, by name")
    parser.add_argument("--cases", type=int, default=8)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--level", default="clinical", help="mild, clinical or harsh")
    parser.add_argument("--ways", nargs="+", default=["alone", "all", "neighbor"], help="alone, all, neighbor")
    parser.add_argument("--views", nargs="+", default=["both", "ap"], help="both, ap")
    parser.add_argument("--json", action="store_true", help="print each row as JSON")
    arguments = parser.parse_args()
    print(describe("cpu"), flush=True)
    names = [f"pelvis_lumbar_3mm{end}" for end in (".nii.gz", "_labels.nii.gz", "_labels.json")]
    ct = read_ct(*(sample_path(name) for name in names))
    bones = {name: select_labels(ct.labels, ct.label_names, [name]) for name in arguments.bones}
    bodies = bodies_of(ct, bones)
    center = bodies[0].volume.center
    points = {name: bone_points(ct, labels) for name, labels in bones.items()} | {REST: bone_points(ct)}
    centers = {body.name: body.volume.center for body in bodies}
    rows: dict[tuple[str, str, str], list[dict[str, float]]] = {}
    for index in range(arguments.cases):
        case = taken_case(ct, bones, center, arguments.level, arguments.seed, index)
        for seen in arguments.views:
            xrays = case.xrays if seen == "both" else case.xrays[:1]
            for way in arguments.ways:
                for name, row in results(way, ct, bones, bodies, xrays, case).items():
                    pose = row.pop("pose")
                    off = error(pose, case.truths[name], points[name], centers[name], xrays[0].view)
                    rows.setdefault((seen, way, name), []).append(off | row)
                    if arguments.json:
                        print(
                            json.dumps({"case": index, "views": seen, "way": way, "body": name} | off | row), flush=True
                        )
    for (seen, way, name), found in rows.items():
        print(f"{seen:5} {way:9} {name:15} {told(found)}")


def results(way, ct, bones, bodies, xrays, case):
    """{name of a body: its pose and what is said of it}."""
    if way == "alone":
        found = {}
        for name, labels in bones.items():
            volume = to_volume(ct, labels=labels)
            cut = [cropped_around(xray, volume, case.start, 25.0) for xray in xrays]
            result = register(Case(volume, cut, poses=case.start), SYSTEMS["bones"])
            found[name] = {
                "pose": result.pose,
                "accepted": result.verdict.accepted,
                "plane_only": result.verdict.plane_only,
                "half_rotation": result.half_widths.rotation_deg,
                "half_plane": result.half_widths.plane_mm,
                "half_depth": result.half_widths.depth_mm,
                "cost": result.verdict_cost,
                "sharpness": 0.0,
                "seconds": result.seconds,
            }
        return found
    plan = Plan(neighbor=REST if way == "neighbor" else None, neighborly=Motion(5.0, 5.0), candidates=1)
    keyframes = {0: {body.name: case.start for body in bodies}}
    sequence = one_frame(xrays)
    tracker = Tracker(bodies, sequence, keyframes, SYSTEMS["bodies"], plan)
    (done,) = [step for step in tracker if isinstance(step, FrameDone)]
    assert done.result.bodies, done.result.problem
    return {
        body.name: {
            "pose": one.pose,
            "accepted": one.verdict.accepted,
            "plane_only": one.verdict.plane_only,
            "refused": bool(one.verdict.refusals),
            "half_rotation": one.half_widths.rotation_deg,
            "half_plane": one.half_widths.plane_mm,
            "half_depth": one.half_widths.depth_mm,
            "cost": one.cost,
            "sharpness": one.sharpness,
            "seconds": done.result.seconds,
        }
        for body, one in zip(bodies, done.result.bodies, strict=True)
    }


def told(found: list[dict[str, float]]) -> str:
    """Medians and worst, verdicts, and how often intervals hold the truth."""

    def middle(key: str) -> str:
        values = [row[key] for row in found]
        return f"{np.median(values):.2f} ({max(values):.2f})"

    def held(key: str, width: str) -> str:
        return f"{sum(row[key] <= row[width] for row in found)}"

    accepted = sum(row["accepted"] for row in found)
    plane = sum(row["plane_only"] for row in found)
    return (
        f"{len(found)} cases: mTRE {middle('mtre_mm')} mm, rotation {middle('rotation_deg')}°, in plane "
        f"{middle('plane_mm')} mm, depth {middle('depth_mm')} mm, {middle('seconds')} s; accepted {accepted}, in the "
        f"plane only {plane}; within its interval: rotation {held('rotation_deg', 'half_rotation')}, plane "
        f"{held('plane_mm', 'half_plane')}, depth {held('depth_mm', 'half_depth')}; cost {middle('cost')}, sharpness "
        f"{middle('sharpness')}"
    )


if __name__ == "__main__":
    main()
