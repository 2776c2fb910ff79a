"""A knee replacement in real single-plane fluoroscopy: both implants at once, against the published poses.

The published poses are a careful person's (JointTrack), not measured truth, and depth is their weak axis. Starts are
off them by up to ±3°, ±3 mm in plane and ±8 mm in depth, uniformly.
"""

from __future__ import annotations

import argparse
import math
from pathlib import Path

import cv2
import numpy as np
import torch
from machine import describe
from torch import Tensor

from SphericalRegLib.geometry import se3
from SphericalRegLib.geometry.view import View
from SphericalRegLib.imaging.bodies import Body
from SphericalRegLib.imaging.materials import material_attenuation
from SphericalRegLib.io.sequences.given import one_frame
from SphericalRegLib.io.surface_file import read_surface
from SphericalRegLib.io.xray import read_xray
from SphericalRegLib.registration import SYSTEMS
from SphericalRegLib.reporting.track_overlay import overlay
from SphericalRegLib.tracking.expectation import Motion
from SphericalRegLib.tracking.tracker import FrameDone, Plan, Tracker

SDD, PIXEL, SIZE = 1198.0, 0.373, 1024
FRAMES = ("0160", "0170", "0180")
SURFACES = {"femoral": ("KR_right_7_fem.stl", "fem"), "tibial": ("KR_right_6_tib.stl", "tib")}


def published(path: Path) -> list[Tensor]:
    """(4, 4) rig_from_surface of each frame out of a .jts file: x, y, z, then turns about z, x, y, in a camera that
    looks down -z with y up."""
    poses = []
    for line in path.read_text().splitlines()[2:]:
        if not line.strip():
            continue
        x, y, z, about_z, about_x, about_y = (float(cell) for cell in line.split(","))
        turn = torch.eye(3, dtype=torch.float64)
        for axis, degrees in ((2, about_z), (0, about_x), (1, about_y)):
            turn = turn @ se3.so3_exp(math.radians(degrees) * torch.eye(3, dtype=torch.float64)[axis])
        flip = torch.diag(torch.tensor([1.0, -1.0, -1.0, 1.0], dtype=torch.float64))
        poses.append(flip @ se3.from_parts(turn, torch.tensor([x, y, z], dtype=torch.float64)))
    return poses


def triangles(path: Path) -> np.ndarray:
    """(T, 3, 3) mm."""
    import vtk
    from vtk.util.numpy_support import vtk_to_numpy

    reader = vtk.vtkSTLReader()
    reader.SetFileName(str(path))
    reader.Update()
    surface = reader.GetOutput()
    points = vtk_to_numpy(surface.GetPoints().GetData()).astype(float)
    corners = vtk_to_numpy(surface.GetPolys().GetConnectivityArray()).reshape(-1, 3)
    return points[corners]


def silhouette(corners: np.ndarray, view: View, pose: Tensor) -> np.ndarray:
    """(H, W) bool: what the triangles cover, to a sixteenth of a pixel."""
    pixels = view.project(torch.from_numpy(corners.reshape(-1, 3)), pose).numpy().reshape(-1, 3, 2)
    image = np.zeros((view.height, view.width), np.uint8)
    for triangle in np.round(pixels * 16).astype(np.int32):
        cv2.fillConvexPoly(image, triangle, 1, shift=4)
    return image > 0


def likeness(first: np.ndarray, second: np.ndarray) -> float:
    """Intersection over union."""
    return float((first & second).sum() / (first | second).sum())


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--data", type=Path, required=True, help="folder of the knee_implant sample")
    parser.add_argument("--pictures", type=Path, help="folder for overlays")
    arguments = parser.parse_args()
    print(describe("cpu"), flush=True)
    data: Path = arguments.data
    focal = SDD / PIXEL
    intrinsics = torch.tensor([[focal, 0, SIZE / 2], [0, focal, SIZE / 2], [0, 0, 1]], dtype=torch.float64)
    view = View(intrinsics, SIZE, SIZE, SDD, name="knee")
    bodies = [
        Body(name, read_surface(data / surface, material_attenuation("cocr")), excess=True)
        for name, (surface, _) in SURFACES.items()
    ]
    meshes = {name: triangles(data / surface) for name, (surface, _) in SURFACES.items()}
    known = {name: published(data / f"{short}.jts") for name, (_, short) in SURFACES.items()}
    for number, frame in enumerate(FRAMES):
        xray = read_xray(data / f"AT_K1_V1_{frame}.tif", view, intensity="inverted", mask="none")
        rng = np.random.default_rng(number)
        starts = {}
        for body in bodies:
            off = np.concatenate([np.deg2rad(rng.uniform(-3, 3, 3)), rng.uniform(-3, 3, 2), rng.uniform(-8, 8, 1)])
            starts[body.name] = se3.about(torch.from_numpy(off), known[body.name][number], body.volume.center)
        plan = Plan(Motion(10.0, 20.0), candidates=1)
        tracker = Tracker(bodies, one_frame([xray]), {0: starts}, SYSTEMS["implants"], plan)
        (done,) = [step for step in tracker if isinstance(step, FrameDone)]
        for body, result in zip(bodies, done.result.bodies, strict=True):
            label = cv2.imread(str(data / f"AT_K1_V1_{frame}_label_{SURFACES[body.name][1]}.tif"), -1) > 0
            poses = (known[body.name][number], starts[body.name], result.pose)
            alike = [likeness(silhouette(meshes[body.name], view, pose), label) for pose in poses]
            off = se3.difference_about(result.pose, poses[0], body.volume.center)
            turn, shift = np.rad2deg(off[:3].numpy()), off[3:].numpy()
            print(
                f"{frame} {body.name}: intersection over union published {alike[0]:.3f}, start {alike[1]:.3f}, here "
                f"{alike[2]:.3f}; against the published pose {np.linalg.norm(turn):.1f}°, in plane "
                f"{np.hypot(*shift[:2]):.2f} mm, depth {shift[2]:+.1f} mm; {result.verdict.words}; "
                f"{done.result.seconds:.1f} s",
                flush=True,
            )
        if arguments.pictures:
            arguments.pictures.mkdir(parents=True, exist_ok=True)
            picture = overlay(xray, bodies, done.result, SIZE)
            cv2.imwrite(str(arguments.pictures / f"knee_{frame}.png"), picture[..., ::-1])


if __name__ == "__main__":
    main()
