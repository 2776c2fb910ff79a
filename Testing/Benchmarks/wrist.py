"""A radius registered to a real biplane X-ray pair: both views at once, each alone, from many starts.

No true pose is published, so this measures agreement: of results from different starts, of one view with two.
"""

from __future__ import annotations

import argparse
import json
import time
from dataclasses import replace
from pathlib import Path

import one_bone
import torch
from machine import describe
from torch import Tensor

from SphericalRegLib.evaluation.cases import bone_points
from SphericalRegLib.geometry import se3
from SphericalRegLib.geometry.view import View
from SphericalRegLib.geometry.volume import Volume
from SphericalRegLib.imaging.crop import cropped_around
from SphericalRegLib.imaging.volume import to_volume
from SphericalRegLib.imaging.xray import XRay
from SphericalRegLib.initialization.search import SearchRange
from SphericalRegLib.io.calibration_files import read_autoscoper
from SphericalRegLib.io.ct import read_ct
from SphericalRegLib.io.xray import read_xray
from SphericalRegLib.registration import SYSTEMS, Case, Registration, Result, register
from SphericalRegLib.registration.judging.rivals import Shaft

# Middle of the radius, as pixels (column, row) that a person read off the pictures of camera 1 and 2: at the joint and
# 68 mm up the shaft. Rough: the rays of each pair pass each other by 1 to 2 mm.
JOINT = ((925.0, 1205.0), (620.0, 1200.0))
SHAFT = ((917.0, 1600.0), (573.0, 1600.0))
SPACING = (0.39625, 0.39625, 0.625)
# Along the shaft: so far off a pose was accepted.
CONFUSED_MM = 39.0
TWO, FIRST, SECOND = (255, 70, 20), (60, 220, 60), (70, 140, 255)


def triangulated(views: list[View], pixels: tuple[tuple[float, float], ...]) -> Tensor:
    """(3,) rig mm: the point nearest to the rays through one pixel of each view."""
    normal, right = torch.zeros(3, 3, dtype=torch.float64), torch.zeros(3, dtype=torch.float64)
    for view, pixel in zip(views, pixels, strict=True):
        rig_from_camera = se3.inverse(view.camera_from_rig)
        ray = torch.linalg.inv(view.intrinsics) @ torch.tensor([*pixel, 1.0], dtype=torch.float64)
        ray = rig_from_camera[:3, :3] @ (ray / ray.norm())
        across = torch.eye(3, dtype=torch.float64) - torch.outer(ray, ray)
        normal += across
        right += across @ rig_from_camera[:3, 3]
    return torch.linalg.solve(normal, right)


def plausible_pose(volume: Volume, views: list[View]) -> Tensor:
    """(4, 4) rig_from_world by hand: shaft along the triangulated line, seen in camera 2 as along the CT's rows (i).

    There the styloid (low j) is on the left and the joint (low k) on top, as in the X-ray.
    """
    joint, shaft = triangulated(views, JOINT), triangulated(views, SHAFT)
    down = (shaft - joint) / (shaft - joint).norm()
    right = views[1].camera_from_rig[0, :3]
    right = right - (right @ down) * down
    right = right / right.norm()
    rig_axes = torch.stack([torch.linalg.cross(right, down), right, down], 1)  # of i, j and k
    world_axes = volume.world_from_voxel[:3, :3] / volume.spacing
    rotation = rig_axes @ world_axes.T
    return se3.from_parts(rotation, (joint + shaft) / 2 - rotation @ volume.center)


def study(volume: Volume, points: Tensor, xrays: list[XRay], reference: Tensor, starts: Tensor) -> list[dict]:
    """Register from each start as the library does with one bone; distances to the reference."""
    rows = []
    for start in starts:
        result = register(Case(volume, xrays, poses=start), SYSTEMS["bones"])
        row: dict = one_bone.difference(result.pose, reference, points, volume.center, xrays[0].view)
        rows.append({**row, "cost": result.cost, "seconds": result.seconds, "pose": result.pose.tolist()})
    return rows


def found(volume: Volume, xrays: list[XRay], start: Tensor) -> Result:
    """The reference: a wide search around the plausible pose."""
    return register(
        Case(volume, xrays, poses=start), SYSTEMS["bones"].searching(SearchRange(25.0, 15.0, 15.0), candidates=96)
    )


def confusions(volume: Volume, points: Tensor, xrays: list[XRay], right: Tensor) -> list[dict]:
    """From poses that were once accepted although wrong, and from the right one in a search that once lost it: each
    must end at the right pose or be rejected."""
    shaft = Shaft.of(volume)
    assert shaft is not None, "a radius is tubular"
    bones = SYSTEMS["bones"]
    far = SearchRange(25.0, 25.0, 25.0)
    begun = {
        "the right pose": (right, bones),
        "the right pose, ±25°, ±25 mm": (right, bones.searching(far)),
        "half a turn about the shaft": (shaft.turned(right), bones),
        "39 mm up the shaft": (shaft.moved(right, -CONFUSED_MM), bones),
        "39 mm down the shaft": (shaft.moved(right, CONFUSED_MM), bones),
    }
    rows = []
    for name, (start, system) in begun.items():
        spent = []
        for tried in (replace(system, rivals=False), system):
            began = time.process_time()
            registration = Registration(Case(volume, xrays, poses=start), tried)
            list(registration)
            result = registration.result()
            spent.append(time.process_time() - began)
            off = one_bone.difference(result.pose, right, points, volume.center, xrays[0].view)["mtre_mm"]
            if not tried.rivals:
                before = (off, result.verdict.accepted)
        rows.append(
            {
                "start": name,
                "alone_mm": before[0],
                "alone_accepted": before[1],
                "mtre_mm": off,
                "cost": result.verdict_cost,
                "accepted": result.verdict.accepted,
                "cpu_seconds": spent,
                "reasons": result.verdict.reasons,
                "notes": registration.notes,
            }
        )
    return rows


def print_confusions(rows: list[dict]) -> None:
    """As a table."""
    print("begun at | without rivals: mm off, verdict | with rivals: mm off, cost, verdict | CPU s without, with")
    for row in rows:
        words = ["accepted" if row[key] else "rejected" for key in ("alone_accepted", "accepted")]
        print(
            f"{row['start']} | {row['alone_mm']:.2f}, {words[0]} | {row['mtre_mm']:.2f}, {row['cost']:.3f}, "
            f"{words[1]} | {row['cpu_seconds'][0]:.1f}, {row['cpu_seconds'][1]:.1f}"
        )
        for sentence in (*row["notes"], *row["reasons"]):
            print(f"  {sentence}")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--data", type=Path, required=True, help="folder of the wrist_biplane sample")
    parser.add_argument("--starts", type=int, default=20)
    parser.add_argument(
        "--confusions", action="store_true", help="only show what becomes of poses that are easily confused"
    )
    parser.add_argument("--pictures", type=Path, help="folder for overlays")
    parser.add_argument("--json", action="store_true", help="print the figures as JSON in the last line")
    arguments = parser.parse_args()
    print(describe("cpu"), flush=True)
    # 12-bit values are HU + 1024; TIFF does not say where pages lead, and a mirrored radius fits nowhere
    ct = read_ct(arguments.data / "rad_dcm_cropped.tif", spacing=SPACING, rescale=(1, -1024), axes="LPS")
    volume, points = to_volume(ct), bone_points(ct)
    views = [read_autoscoper(arguments.data / f"xr_calib_wrist_cam0{n}.txt") for n in (1, 2)]
    files = [arguments.data / f"xr_rad_uln_cam0{n}_UND.0002.tif" for n in (1, 2)]
    whole = [read_xray(file, view, intensity="inverted") for file, view in zip(files, views, strict=True)]
    plausible = plausible_pose(volume, views)
    xrays = [cropped_around(xray, volume, plausible, 12.0) for xray in whole]
    began = time.perf_counter()
    best = found(volume, xrays, plausible)
    moved = one_bone.difference(plausible, best.pose, points, volume.center, views[0])
    print(
        f"Plausible pose: {moved['rotation_deg']:.1f}° and {moved['mtre_mm']:.1f} mm from the two-view result, cost "
        f"{best.cost:.3f} ({time.perf_counter() - began:.0f} s). Other optima: "
        + (", ".join(f"{cost:.3f}" for _, cost in best.candidates[1:]) or "none")
    )
    if arguments.confusions:
        # what another pose sees must be in the picture
        wider = [cropped_around(xray, volume, best.pose, 60.0) for xray in whole]
        rows = confusions(volume, points, wider, best.pose)
        print_confusions(rows)
        if arguments.json:
            print(json.dumps(rows))
        return
    starts = one_bone.near(best.pose, volume.center, arguments.starts, seed=0)
    report, poses = {}, {}
    for name, used in (("both", xrays), ("view1", xrays[:1]), ("view2", xrays[1:])):
        rows = study(volume, points, used, best.pose, starts)
        winner = min(rows, key=lambda row: row["cost"])
        pose = torch.tensor(winner["pose"], dtype=torch.float64)
        agreeing = [
            one_bone.difference(torch.tensor(r["pose"]).double(), pose, points, volume.center, used[0].view)
            for r in rows
        ]
        same = sum(row["mtre_mm"] < 1 for row in agreeing)
        print(
            f"{name}: {same} of {len(rows)} starts end within 1 mm of the best of them; spread "
            f"{one_bone.middle(agreeing, 'mtre_mm')} mm, {one_bone.middle(agreeing, 'rotation_deg')}°"
        )
        print(
            f"  best against the two-view result: {winner['mtre_mm']:.2f} mm, {winner['rotation_deg']:.2f}°, in plane "
            f"{winner['in_plane_mm']:.2f} mm, depth {winner['depth_mm']:.2f} mm; cost {winner['cost']:.3f}, median "
            f"{one_bone.middle(rows, 'seconds')} s",
            flush=True,
        )
        print(
            f"  all against the two-view result: {one_bone.middle(rows, 'mtre_mm')} mm, "
            f"{one_bone.middle(rows, 'rotation_deg')}°, in plane {one_bone.middle(rows, 'in_plane_mm')} mm, depth "
            f"{one_bone.middle(rows, 'depth_mm')} mm",
            flush=True,
        )
        report[name] = {"within_1mm": same, "spread": agreeing, "best": winner, "results": rows}
        poses[name] = pose
    if arguments.pictures:
        arguments.pictures.mkdir(parents=True, exist_ok=True)
        for n, xray in enumerate(xrays, 1):
            one_bone.save_overlay(arguments.pictures / f"view{n}.png", xray, volume, [(poses["both"], TWO)])
            singles = [(poses["view1"], FIRST), (poses["view2"], SECOND), (poses["both"], TWO)]
            one_bone.save_overlay(arguments.pictures / f"view{n}_single.png", xray, volume, singles)
            one_bone.save_overlay(arguments.pictures / f"view{n}_plausible.png", xray, volume, [(plausible, FIRST)])
    if arguments.json:
        print(json.dumps(report))


if __name__ == "__main__":
    main()
