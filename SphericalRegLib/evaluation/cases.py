"""The capture study's cases: truth, start, and an X-ray simulated at the truth and read back as a real one would be."""

from __future__ import annotations

import tempfile
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from SphericalRegLib.errors import InputError
from SphericalRegLib.evaluation.suites import SUITES, VIEWS, Suite
from SphericalRegLib.geometry import se3
from SphericalRegLib.geometry.carm import pose_from_angles
from SphericalRegLib.geometry.view import View
from SphericalRegLib.imaging.ct import CT
from SphericalRegLib.imaging.labels import select_labels
from SphericalRegLib.imaging.xray import XRay
from SphericalRegLib.initialization import Marks, SearchRange
from SphericalRegLib.io.xray import read_xray
from SphericalRegLib.simulation.degrade import Degradations
from SphericalRegLib.simulation.dicom_writer import write_xray_dicom
from SphericalRegLib.simulation.levels import LEVELS, Level
from SphericalRegLib.simulation.simulate import simulate

_BONE_HU = 250.0


@dataclass(frozen=True)
class CaptureCase:
    """One registration to be done, and its answer.

    Attributes:
        index: of the case.
        nominal: name of the view that the truth lies around.
        truth: (4, 4) float64 rig_from_world.
        start: (4, 4) float64 rig_from_world, the one start that registration gets.
        degradations: of the X-ray.
        noise_seed: of the X-ray.
    """

    index: int
    nominal: str
    truth: Tensor
    start: Tensor
    degradations: Degradations
    noise_seed: int

    @property
    def occluded(self) -> bool:
        """Whether an opaque instrument lies in the beam."""
        return bool(self.degradations.instruments)


def capture_view(pixels: int = 256) -> View:
    """The study's X-ray system: 358.4 mm square detector (256 pixels of 1.4 mm), 1000 mm from the source, isocenter at
    700 mm."""
    return View.from_spacing(256, 256, 1000.0, (1.4, 1.4), sad=700.0, name="capture").resized(pixels, pixels)


def draw_case(
    index: int,
    seed: int,
    view: View,
    isocenter: Tensor,
    suite: Suite = SUITES["capture"],
    *,
    views: Sequence[str] = ("AP",),
    level: Level = LEVELS["mild"],
    ct: CT | None = None,
) -> CaptureCase:
    """Case ``index`` of a seed; it does not depend on how many others are drawn.

    The truth is off a view, and the start off the truth, by uniform rotations and translations about the isocenter
    along the camera's axes; without starts, the start is the view. Every second case has an occluder.

    Args:
        index: of the case, from 0.
        seed: of the study.
        view: the X-ray system, with a source-to-isocenter distance.
        isocenter: (3,) world mm, of the volume that is registered.
        suite: the study.
        views: names of :data:`~SphericalRegLib.evaluation.suites.VIEWS`, taken in turn.
        level: how hard the X-ray is.
        ct: the patient, which levels other than mild look at.

    Raises:
        InputError: for a view without a source-to-isocenter distance.
    """
    if view.sad is None:
        raise InputError("The capture study places the anatomy at the isocenter: give a view with sad.")
    rng = np.random.default_rng(np.random.SeedSequence(seed, spawn_key=(index,)))
    name = views[index % len(views)]
    nominal = pose_from_angles(*VIEWS[name], view.sad, isocenter)
    truth = se3.about(_draw(rng, suite.truth), nominal, isocenter)
    start = nominal if suite.start is None else se3.about(_draw(rng, suite.start), truth, isocenter)
    if level.name != "mild" and ct is None:
        raise InputError(f"X-rays of the level {level.name} are drawn for a patient: give the CT.")
    # mild X-rays do not look at the patient
    degradations = level.draw(rng, view, ct, index % 2 == 1)  # type: ignore[arg-type]
    return CaptureCase(index, name, truth, start, degradations, int(rng.integers(2**31)))


def simulated_xray(case: CaptureCase, ct: CT, view: View) -> XRay:
    """The case's X-ray, simulated from the whole CT, written as DICOM and read as any file is.

    So tone, geometry and mask are what reading finds, not what the simulator knows. The file does not tell where the
    collimator is either: real ones often do not.
    """
    taken = simulate(ct.hu, ct.world_from_voxel, view, case.truth.numpy(), case.degradations, seed=case.noise_seed)
    untold = replace(taken, degradations=replace(taken.degradations, collimation=None))
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / f"case{case.index:03d}.dcm"
        write_xray_dicom(path, untold, view)
        return read_xray(path)


def bone_points(ct: CT, labels: Sequence[int | str] | None = None, count: int = 2000) -> Tensor:
    """(N, 3) world mm: up to ``count`` voxel centers of bone, always the same ones, for target registration errors.

    Args:
        ct: the CT.
        labels: these bones only. Without them all labelled bone, or all above 250 HU where there are no labels.
        count: how many; all of them where there are fewer.

    Raises:
        InputError: for labels that are not there, or a CT without bone.
    """
    if labels is not None:
        chosen_labels = select_labels(ct.labels, ct.label_names, labels)
        assert ct.labels is not None
        bone = np.isin(ct.labels, chosen_labels)
    else:
        bone = ct.labels > 0 if ct.labels is not None else ct.hu > _BONE_HU
    found = np.argwhere(bone)
    if len(found) == 0:
        raise InputError(f"{ct.path or 'The CT'} holds no bone (highest {ct.hu.max():g} HU) to measure errors at.")
    chosen = np.random.default_rng(0).choice(len(found), min(count, len(found)), replace=False)
    voxels = found[chosen][:, ::-1].astype(np.float64)
    return torch.from_numpy(voxels @ ct.world_from_voxel[:3, :3].T + ct.world_from_voxel[:3, 3])


def marked_landmarks(case: CaptureCase, points: Tensor, view: View, seed: int, count: int = 8) -> Marks:
    """What a person would mark: some bone points far from one another that the X-ray shows, each a little off.

    Args:
        case: for its truth; the marks of a case and seed are always the same.
        points: (N, 3) world mm, to choose from.
        view: of the X-ray.
        seed: of the study.
        count: marks; fewer where the X-ray shows fewer.

    Returns:
        marks off by a standard deviation of 1 mm in each direction of the CT and 1.5 mm on the detector.
    """
    rng = np.random.default_rng([seed, case.index, 77])
    pixels = view.project(points, case.truth)
    size = torch.tensor([view.width, view.height], dtype=torch.float64)
    margin = 0.05 * size
    shown = ((pixels > margin) & (pixels < size - margin)).all(-1)
    visible, where = points[shown], pixels[shown]
    chosen: list[int] = []
    if len(visible):
        chosen.append(int(rng.integers(len(visible))))
        nearest = torch.full((len(visible),), torch.inf, dtype=torch.float64)
        while len(chosen) < min(count, len(visible)):
            nearest = torch.minimum(nearest, (visible - visible[chosen[-1]]).norm(dim=-1))
            chosen.append(int(nearest.argmax()))
    off_ct, off_image = rng.normal(0, 1.0, (len(chosen), 3)), rng.normal(0, 1.5, (len(chosen), 2))
    spacing = np.array([view.spacing[1], view.spacing[0]])
    names = [f"L{number + 1}" for number in range(len(chosen))]
    at = {name: (visible[one].numpy() + off).tolist() for name, one, off in zip(names, chosen, off_ct, strict=True)}
    seen = {
        name: (where[one].numpy() + off / spacing).tolist()
        for name, one, off in zip(names, chosen, off_image, strict=True)
    }
    return Marks([at], [seen])


def _draw(rng: np.random.Generator, extent: SearchRange) -> Tensor:
    """(6,) a twist; the numbers come in the order and precision that seeds have always meant."""
    rotation = np.deg2rad(rng.uniform(-extent.rotation_deg, extent.rotation_deg, 3))
    shift = (extent.in_plane_mm, extent.in_plane_mm, extent.depth_mm)
    return torch.from_numpy(np.concatenate([rotation, rng.uniform(-1, 1, 3) * shift]))
