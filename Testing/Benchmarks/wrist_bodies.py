"""Radius and ulna in a real biplane X-ray pair: both at once, from many starts; and the radius as it is found alone.

No true pose is published, so this measures agreement: of starts with one another, and with the radius alone.
"""

from __future__ import annotations

import argparse
from pathlib import Path

import cv2
import numpy as np
import one_bone
import torch
import wrist
from machine import describe
from torch import Tensor

from SphericalRegLib.evaluation.cases import bone_points
from SphericalRegLib.geometry import se3
from SphericalRegLib.geometry.volume import Volume
from SphericalRegLib.imaging.bodies import Body
from SphericalRegLib.imaging.crop import cropped_around
from SphericalRegLib.imaging.volume import to_volume
from SphericalRegLib.imaging.xray import XRay
from SphericalRegLib.initialization import SearchRange
from SphericalRegLib.io.calibration_files import read_autoscoper
from SphericalRegLib.io.ct import read_ct
from SphericalRegLib.io.sequences.given import one_frame
from SphericalRegLib.io.xray import read_xray
from SphericalRegLib.registration import SYSTEMS, Case, Result, register
from SphericalRegLib.reporting.track_overlay import overlay
from SphericalRegLib.tracking.expectation import Motion
from SphericalRegLib.tracking.tracker import FrameDone, Plan, Tracker

# The ulna as pixels (column, row) that a person read off the pictures of camera 1 and 2: head, and up the shaft. Rough.
HEAD = ((845.0, 1225.0), (733.0, 1225.0))
UP = ((814.0, 1600.0), (743.0, 1600.0))
# Half of the ulna's crop.
HALF_MM = 35.0


def found_about_its_shaft(ulna: Volume, xrays: list[XRay], radius: Tensor) -> Result:
    """The best of searches from eight turns about the shaft: how the forearm is turned, and how the ulna's file counts
    its axes, nobody tells.

    Args:
        ulna: its head in the first slices, as the radius.
        xrays: both.
        radius: (3, 3) the radius' rotation: the shafts are about parallel.
    """
    views = [xray.view for xray in xrays]
    head, up = wrist.triangulated(views, HEAD), wrist.triangulated(views, UP)
    down = (up - head) / (up - head).norm()
    middle = head + HALF_MM * down
    axis = torch.linalg.cross(radius[:, 2], down)
    straight = se3.so3_exp(axis / axis.norm() * torch.asin(axis.norm())) @ radius
    results = []
    for turn in range(0, 360, 45):
        rotation = se3.so3_exp(float(np.deg2rad(turn)) * down) @ straight
        start = se3.from_parts(rotation, middle - rotation @ ulna.center)
        cut = [cropped_around(xray, ulna, start, 15.0) for xray in xrays]
        results.append(
            register(
                Case(ulna, cut, poses=start), SYSTEMS["bones"].searching(SearchRange(15.0, 8.0, 8.0), candidates=32)
            )
        )
    return min(results, key=lambda result: result.verdict_cost)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--data", type=Path, required=True, help="folder of the wrist_biplane sample")
    parser.add_argument("--starts", type=int, default=8)
    parser.add_argument("--candidates", type=int, default=32, help="poses tried around a start")
    parser.add_argument("--pictures", type=Path, help="folder for overlays")
    arguments = parser.parse_args()
    print(describe("cpu"), flush=True)
    scans = [
        read_ct(arguments.data / f"{name}_dcm_cropped.tif", spacing=wrist.SPACING, rescale=(1, -1024), axes="LPS")
        for name in ("rad", "uln")
    ]
    bodies = [Body(name, to_volume(scan)) for name, scan in zip(("radius", "ulna"), scans, strict=True)]
    points = [bone_points(scan) for scan in scans]
    views = [read_autoscoper(arguments.data / f"xr_calib_wrist_cam0{n}.txt") for n in (1, 2)]
    files = [arguments.data / f"xr_rad_uln_cam0{n}_UND.0002.tif" for n in (1, 2)]
    xrays = [read_xray(file, view, intensity="inverted") for file, view in zip(files, views, strict=True)]
    radius = bodies[0].volume
    plausible = wrist.plausible_pose(radius, views)
    alone = wrist.found(radius, [cropped_around(xray, radius, plausible, 12.0) for xray in xrays], plausible)
    ulna = bodies[1].volume
    beside = found_about_its_shaft(ulna, xrays, alone.pose[:3, :3])
    print(f"radius alone: cost {alone.verdict_cost:.3f}, {alone.verdict.words}, {alone.seconds:.0f} s")
    print(f"ulna alone: cost {beside.verdict_cost:.3f}, {beside.verdict.words}, {beside.seconds:.0f} s", flush=True)
    reference = [alone.pose, beside.pose]
    ends: list[list[torch.Tensor]] = []
    for index in range(arguments.starts):
        starts = {
            body.name: one_bone.near(pose, body.volume.center, 1, seed=10 * index + place)[0]
            for place, (body, pose) in enumerate(zip(bodies, reference, strict=True))
        }
        plan = Plan(Motion(10.0, 10.0), candidates=arguments.candidates)
        tracker = Tracker(bodies, one_frame(xrays), {0: starts}, SYSTEMS["bones"], plan)
        (done,) = [step for step in tracker if isinstance(step, FrameDone)]
        words = []
        for place, (body, result) in enumerate(zip(bodies, done.result.bodies, strict=True)):
            off = one_bone.difference(result.pose, reference[place], points[place], body.volume.center, views[0])
            words.append(
                f"{body.name} {off['mtre_mm']:.2f} mm, {off['rotation_deg']:.2f}° from alone, cost {result.cost:.3f}, "
                f"sharpness {result.sharpness:.2f}, "
                f"{result.verdict.words}"
            )
        ends.append([result.pose for result in done.result.bodies])
        print(f"start {index}: {'; '.join(words)}; {done.result.seconds:.1f} s", flush=True)
        if arguments.pictures and index == 0:
            arguments.pictures.mkdir(parents=True, exist_ok=True)
            for xray in xrays:
                picture = overlay(xray, bodies, done.result, 1200)
                cv2.imwrite(str(arguments.pictures / f"{xray.view.name}.png"), picture[..., ::-1])
    for place, body in enumerate(bodies):
        poses = torch.stack([pair[place] for pair in ends])
        apart = [
            one_bone.difference(pose, poses[0], points[place], body.volume.center, views[0])["mtre_mm"]
            for pose in poses
        ]
        near = sum(mm < 1 for mm in apart)
        print(
            f"{body.name}: {near} of {len(apart)} starts end within 1 mm of the first; median {np.median(apart):.2f} mm"
        )


if __name__ == "__main__":
    main()
