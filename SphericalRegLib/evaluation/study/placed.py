"""Cases of a study: simulated ones, or the frames of a data set; each row tells where in the CT's frame it ended."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, fields, replace
from typing import Any

import numpy as np
import torch
from torch import Tensor

from SphericalRegLib.errors import InputError
from SphericalRegLib.evaluation.bench import Bench, Target
from SphericalRegLib.evaluation.capture_report import CaptureRow
from SphericalRegLib.evaluation.cases import CaptureCase, draw_case, simulated_xray
from SphericalRegLib.evaluation.datasets.contract import Subject
from SphericalRegLib.evaluation.datasets.offset import SignedOffset, mean_signed_offset, signed_offset
from SphericalRegLib.geometry import se3
from SphericalRegLib.imaging.xray import XRay
from SphericalRegLib.registration import System
from SphericalRegLib.simulation.degrade import Degradations

# mm: what ended farther off says nothing of the truth.
_NEAR_MM = 10.0


@dataclass(frozen=True)
class PlacedRow(CaptureRow):
    """A case, and where it ended.

    Attributes:
        right_mm, anterior_mm, superior_mm: from the isocenter to what the truth puts where the result puts it.
    """

    right_mm: float
    anterior_mm: float
    superior_mm: float


@dataclass(frozen=True)
class StudyBench(Bench):
    """A bench whose rows are :class:`PlacedRow`."""

    def case_of(self, index: int) -> tuple[CaptureCase, XRay, Target]:
        """A case, its X-ray, and what is registered to it."""
        target = self.target_of(index)
        center = target.volume.center
        case = draw_case(
            index, self.seed, self.view, center, self.suite, views=self.views, level=self.level, ct=self.ct
        )
        return case, simulated_xray(case, self.ct, self.view), target

    def _judged(
        self, system: System, case: CaptureCase, target: Target, start: Tensor, pose: Tensor, **outcome: Any
    ) -> PlacedRow:
        row = super()._judged(system, case, target, start, pose, **outcome)
        offset = signed_offset(pose[None], case.truth[None], target.volume.center)[0].tolist()
        told = {one.name: getattr(row, one.name) for one in fields(CaptureRow)}
        return PlacedRow(**told, right_mm=offset[0], anterior_mm=offset[1], superior_mm=offset[2])


@dataclass(frozen=True)
class FrameBench(StudyBench):
    """Frames of a data set in place of simulated X-rays; errors are measured at its points.

    Attributes:
        subject: whose frames they are.
    """

    subject: Subject | None = None

    def rows(self, index: int) -> tuple[CaptureRow, ...]:
        """See :class:`~SphericalRegLib.evaluation.bench.Bench`."""
        case, xray, target = self.case_of(index)
        seen = replace(self, view=xray.view)
        return tuple(seen._row(system, case, target, xray) for system in self.systems)

    def case_of(self, index: int) -> tuple[CaptureCase, XRay, Target]:
        """A frame; its start is drawn off the truth as the suite says, and is the same for all systems."""
        assert self.subject is not None
        frames = self.subject.frames
        if index >= len(frames):
            raise InputError(f"{self.subject.name} has {len(frames)} frames, and case {index + 1} was asked for.")
        frame, center = frames[index], self.target.volume.center
        if self.suite.start is None:
            # what is not found ends where a middle view would have it
            start = usual_view(self.subject, center).pose(center)
        else:
            draw = np.random.default_rng(np.random.SeedSequence(self.seed, spawn_key=(index,))).uniform(-1, 1, 6)
            start = se3.about(torch.from_numpy(draw) * self.suite.start.twist, frame.pose, center)
        # what is wrong with a real picture nobody drew
        case = CaptureCase(index, frame.name, frame.pose, start, Degradations(), 0)
        return case, frame.xray(), self.target


@dataclass(frozen=True)
class UsualView:
    """The X-ray system of a subject's frames and the middle of their directions, for one patient's networks.

    Attributes:
        sdd, sad: mm; the second one the mean distance of the isocenter from the source, along the beam.
        detector_mm: the longer side.
        orientation: (3, 3) of the camera from the world.
    """

    sdd: float
    sad: float
    detector_mm: float
    orientation: Tensor

    def pose(self, center: Tensor) -> Tensor:
        """(4, 4) with the isocenter (3,) on the central ray."""
        pose = torch.eye(4, dtype=torch.float64)
        pose[:3, :3] = self.orientation
        pose[:3, 3] = torch.tensor([0.0, 0.0, self.sad], dtype=torch.float64) - self.orientation @ center
        return pose


def usual_view(subject: Subject, center: Tensor) -> UsualView:
    """Of all frames of a subject.

    Raises:
        InputError: for a subject without frames.
    """
    if not subject.frames:
        raise InputError(f"{subject.name} has no frames, whose usual view could be told.")
    poses = torch.stack([frame.pose for frame in subject.frames])
    # the rotation nearest to all of them (Moakher 2002): the polar factor of their mean
    u, _, vh = torch.linalg.svd(poses[:, :3, :3].mean(0))
    turn = u @ torch.diag(torch.tensor([1.0, 1.0, float(torch.linalg.det(u @ vh))], dtype=torch.float64)) @ vh
    view = subject.frames[0].view
    sad = float(se3.transform_points(poses, center[None])[:, 0, 2].mean())
    side = max(view.height * view.spacing[0], view.width * view.spacing[1])
    return UsualView(view.sdd, min(sad, 0.99 * view.sdd), side, turn)


def frame_bench(bench: Bench, subject: Subject) -> FrameBench:
    """A bench of the same systems on a subject's frames.

    Raises:
        InputError: for a subject without frames, or without points to measure errors at.
    """
    if not subject.frames or not subject.points:
        raise InputError(
            f"{subject.name} has {len(subject.frames)} frames and {len(subject.points)} points: none to use."
        )
    told = {one.name: getattr(bench, one.name) for one in fields(Bench)}
    volume = subject.volume(bench.ct, bones=True)
    return FrameBench(**told | {"target": Target(bench.ct, volume, subject.targets)}, subject=subject)


def study_bench(bench: Bench) -> StudyBench:
    """The same bench, whose rows tell where they ended."""
    return StudyBench(**{one.name: getattr(bench, one.name) for one in fields(Bench)})


def offset_of(rows: Sequence[CaptureRow]) -> SignedOffset | None:
    """The mean offset of what ended near the truth; None where that are fewer than two."""
    near = [row for row in rows if isinstance(row, PlacedRow) and row.mtre_mm < _NEAR_MM and _known(row)]
    if len(near) < 2:
        return None
    return mean_signed_offset(torch.tensor([[row.right_mm, row.anterior_mm, row.superior_mm] for row in near]))


def _known(row: PlacedRow) -> bool:
    return all(map(math.isfinite, (row.right_mm, row.anterior_mm, row.superior_mm)))
