"""Pictures of what the module shows, from the sample data, through Slicer's own views.

    python Testing/Python/scene/pictures.py --out FOLDER [--only one_view|two_views|landscape]

Needs the extra "scene". Deterministic; about a minute on two cores.
"""

from __future__ import annotations

import argparse
import sys
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

sys.path.insert(0, str(Path(__file__).resolve().parents[3]))

from SphericalRegLib.geometry import carm as angles
from SphericalRegLib.geometry import se3
from SphericalRegLib.geometry.view import View
from SphericalRegLib.geometry.volume import Volume
from SphericalRegLib.imaging.ct import CT
from SphericalRegLib.imaging.volume import to_volume
from SphericalRegLib.imaging.xray import XRay
from SphericalRegLib.io.ct import read_ct
from SphericalRegLib.io.pose_file import read_pose
from SphericalRegLib.io.xray import read_xray
from SphericalRegLib.registration import SYSTEMS, Case, Registration
from SphericalRegLib.reporting.outcome import Outcome
from SphericalRegLib.reporting.report import drr_images, only_bone
from SphericalRegLib.sample import sample_path
from SphericalRegLib.scene import camera, carm, landscape, overlay, rendering, results
from Testing.Python.scene.builders import add_volume
from Testing.Python.scene.views import OffScreen

SAMPLE = "pelvis_lumbar_3mm"
SIZE = (900, 720)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--out", required=True, help="folder for the PNG files")
    parser.add_argument("--only", choices=["one_view", "two_views", "landscape"], help="only some of them")
    arguments = parser.parse_args()
    folder, only = Path(arguments.out), arguments.only
    folder.mkdir(parents=True, exist_ok=True)
    scan = read_ct(
        sample_path(f"{SAMPLE}.nii.gz"), sample_path(f"{SAMPLE}_labels.nii.gz"), sample_path(f"{SAMPLE}_labels.json")
    )
    volume = to_volume(scan)
    truth = read_pose(sample_path(f"{SAMPLE}_ap_truth.json"))
    first = read_xray(sample_path(f"{SAMPLE}_ap.dcm"))
    if only in (None, "one_view"):
        one_view(folder, scan, volume, truth, [first])
    if only in (None, "two_views"):
        two_views(folder, scan, volume, truth, [first, lateral(volume, truth, first)])
    if only in (None, "landscape"):
        heights(folder, volume, truth, first)


def one_view(folder: Path, scan: CT, volume: Volume, truth: Tensor, xrays: list[XRay]) -> None:
    """The 2D overlays, the C-arm, and the view along its beam."""
    screen = OffScreen(SIZE)
    result = registered(screen.scene, scan, volume, truth, xrays)
    for mode in overlay.MODES:
        overlay.show_overlay(result, 0, screen.slice_node, screen.composite_node, mode)
        screen.save(screen.slice_view, folder / f"overlay_{mode}.png")
    overlay.show_overlay(result, 0, screen.slice_node, screen.composite_node)
    rendering.show_ct_in_3d(carm.carm_nodes(result).ct, screen.volume_rendering_logic)
    camera.look_at_carm(screen.camera_node, result, SIZE[0] / SIZE[1])
    screen.save(screen.threed_view, folder / "carm.png")
    camera.look_along_beam(screen.camera_node, result, 0, SIZE[0] / SIZE[1])
    screen.save(screen.threed_view, folder / "along_the_beam.png")
    screen.close()


def two_views(folder: Path, scan: CT, volume: Volume, truth: Tensor, xrays: list[XRay]) -> None:
    """A biplane C-arm."""
    screen = OffScreen(SIZE)
    result = registered(screen.scene, scan, volume, truth, xrays)
    overlay.show_overlay(result, 1, screen.slice_node, screen.composite_node, "edges")
    screen.save(screen.slice_view, folder / "biplane_lateral_edges.png")
    rendering.show_ct_in_3d(carm.carm_nodes(result).ct, screen.volume_rendering_logic)
    camera.look_at_carm(screen.camera_node, result, SIZE[0] / SIZE[1])
    screen.save(screen.threed_view, folder / "biplane.png")
    screen.close()


def heights(folder: Path, volume: Volume, truth: Tensor, xray: XRay) -> None:
    """A landscape of two similarities over a rotation and the depth."""
    screen = OffScreen(SIZE)
    x = landscape.Axis("rotation about the patient's axis", "°", np.linspace(-15, 15, 25))
    y = landscape.Axis("depth", "mm", np.linspace(-60, 60, 21))
    values = similarities(volume, truth, xray, x.values, y.values)
    table = landscape.add_landscape(screen.scene, x, y, values, current=(8.0, 30.0))
    screen.threed_view.fit_view_to_content()
    landscape.look_at_landscape(screen.camera_node, table)
    for title in values:
        landscape.show_landscape(table, title)
        screen.save(screen.threed_view, folder / f"landscape_{title.replace(' ', '_')}.png")
    screen.close()


def registered(scene: Any, scan: CT, volume: Volume, truth: Tensor, xrays: list[XRay]) -> Any:
    """The result node of a registration with the library's own settings, beside the CT, with landmarks."""
    case, system = Case(volume, xrays), SYSTEMS["intensity"]
    if len(xrays) > 1:  # the picture matters here, not the search
        twist = torch.tensor([0.05, -0.04, 0.03, 5.0, 4.0, 8.0], dtype=torch.float64)
        case, system = replace(case, poses=se3.about(twist, truth, volume.center)), SYSTEMS["one-start"]
    registration = Registration(case, system)
    for _ in registration:
        pass
    starts = registration.starts.poses
    outcome = Outcome(registration.result(), xrays, starts, volume.center, {"path": scan.path}, {}, system=system)
    pose = outcome.result.pose
    skeleton = only_bone(volume)
    ct = add_volume(scene, scan.hu, scan.world_from_voxel, "CT")
    marked = [marks(one.view, truth, bone_centers(scan)) for one in xrays]
    points = {name: point for name, point in bone_centers(scan).items() if name in marked[0]}
    marked = [{name: place for name, place in one.items() if name in points} for one in marked]
    return results.add_result(
        scene,
        outcome,
        [drr_images(volume, one, pose[None])[0] for one in xrays],
        bones=[drr_images(skeleton, one, pose[None])[0] for one in xrays],
        ct_node=ct,
        points=points,
        marked=marked,
        truth=truth,
    )


def bone_centers(scan: CT) -> dict[str, np.ndarray]:
    """{name: (3,) world mm}: the middle of each labelled bone."""
    assert scan.labels is not None
    found = {}
    for label in np.unique(scan.labels)[1:]:
        k, j, i = (float(axis.mean()) for axis in np.nonzero(scan.labels == label))
        found[scan.label_names.get(int(label), f"bone {label}")] = (scan.world_from_voxel @ [i, j, k, 1.0])[:3]
    return found


def marks(view: View, truth: Tensor, points: dict[str, np.ndarray]) -> dict[str, np.ndarray]:
    """Where a person might have marked them: near their true projections, where these are on the detector."""
    generator = np.random.default_rng(0)
    pixels = view.project(torch.tensor(np.array(list(points.values()))), truth).numpy()
    inside = {
        name: pixel + generator.normal(0, 6, 2)
        for name, pixel in zip(points, pixels, strict=True)
        if 0 <= pixel[0] < view.width and 0 <= pixel[1] < view.height
    }
    return {name: np.clip(pixel, 0, [view.width - 1, view.height - 1]) for name, pixel in inside.items()}


def lateral(volume: Volume, truth: Tensor, first: XRay) -> XRay:
    """A second X-ray of the same rig, from the side: a DRR with noise."""
    sad = first.view.sad
    assert sad is not None
    sides = [angles.pose_from_preset(name, sad, volume.center) for name in ("AP", "left lateral")]
    view = View.from_spacing(512, 512, first.view.sdd, first.view.spacing, sad=sad, name="lateral")
    view = replace(view, camera_from_rig=sides[1] @ se3.inverse(sides[0]))
    blank = XRay(np.zeros((512, 512), np.float32), view, np.ones((512, 512), bool), path="lateral")
    drr = drr_images(volume, blank, truth[None])[0]
    noise = np.random.default_rng(1).normal(0, 0.02, drr.shape)
    return replace(blank, image=(drr**0.9 + noise).astype(np.float32))


def similarities(
    volume: Volume, truth: Tensor, xray: XRay, turns: np.ndarray, depths: np.ndarray
) -> dict[str, np.ndarray]:
    """1 - NCC of images and of their gradients, at 64 pixels."""
    small = replace(xray, view=xray.view.resized(64, 64))
    twists = torch.zeros(len(depths), len(turns), 6, dtype=torch.float64)
    twists[..., 1] = torch.deg2rad(torch.from_numpy(turns))
    twists[..., 5] = torch.from_numpy(depths)[:, None]
    poses = se3.about(twists.reshape(-1, 6), truth.expand(twists.shape[0] * twists.shape[1], 4, 4), volume.center)
    images = np.stack(drr_images(volume.coarsened((2, 2, 2)), small, poses))
    fixed = drr_images(volume.coarsened((2, 2, 2)), small, truth[None])[0]

    def dissimilarity(moving: np.ndarray, still: np.ndarray) -> np.ndarray:
        a = moving - moving.mean(axis=(1, 2), keepdims=True)
        b = still - still.mean()
        return 1 - (a * b).sum(axis=(1, 2)) / np.sqrt((a**2).sum(axis=(1, 2)) * (b**2).sum())

    def gradients(stack: np.ndarray) -> np.ndarray:
        return np.hypot(*np.gradient(stack, axis=(-2, -1)))

    found = {"NCC": dissimilarity(images, fixed), "gradient NCC": dissimilarity(gradients(images), gradients(fixed))}
    return {title: one.reshape(len(depths), len(turns)) for title, one in found.items()}


if __name__ == "__main__":
    main()
