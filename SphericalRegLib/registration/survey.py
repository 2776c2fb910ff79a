"""A look around before anything is optimized: many poses, each slid over the X-rays.

Turning and depth are sampled; the place in the plane comes from template matching, at every shift at once. What is left
for an optimizer is the nearest few degrees.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from SphericalRegLib.errors import InputError
from SphericalRegLib.geometry import se3
from SphericalRegLib.geometry.view import View
from SphericalRegLib.initialization import SearchRange, Starts
from SphericalRegLib.optimization.objective import Objective
from SphericalRegLib.registration.look import Look
from SphericalRegLib.rendering import render
from SphericalRegLib.similarity.sliding import SlidingImage, slide
from SphericalRegLib.similarity.weights import bone_share, footprint

# The range that a survey's number of poses is meant for.
_USUAL = SearchRange(20.0, 40.0, 80.0)
# Rendered before the next word to whoever waits.
_AT_ONCE = 64
#: What a pose costs that shows too little of the CT at every shift.
NOWHERE = 2.0
# Poses for each one kept, at least, however narrow the range.
_LEAST_FOR_ONE = 4


@dataclass(frozen=True)
class Survey:
    """How to look around.

    Attributes:
        looks: what is correlated, at one size; correlations are added up. What errs otherwise adds most: windows of
            bone, and gradients of everything.
        finer: the same at a larger size, by which the best are surveyed once more; none: they are not.
        share: of the poses that are.
        poses: around each start, for a search of ±20° and ±80 mm in depth; more for a wider one, with its volume.
        most: however wide.
        apart_mm: poses nearer than this to a better one are not kept.

    Raises:
        InputError: for looks that cannot be slid or are not of one size, or without a pose.
    """

    looks: tuple[Look, ...]
    finer: tuple[Look, ...] = ()
    share: float = 0.25
    poses: int = 384
    most: int = 1024
    apart_mm: float = 10.0

    def __post_init__(self) -> None:
        every = (*self.looks, *self.finer)
        if not self.looks or any(look.needs_model or look.footprint_mm is not None for look in every):
            raise InputError("A survey compares whole X-rays by one or several looks without a model: give some.")
        if any(len({(look.size, look.voxel) for look in looks}) > 1 for looks in (self.looks, self.finer)):
            raise InputError("The looks of a survey share their DRRs: give all the same size and voxel.")
        if not 0 < self.share <= 1:
            raise InputError(f"share is {self.share}: give the part of the poses that is surveyed once more, up to 1.")
        if not 1 <= self.poses <= self.most:
            raise InputError(
                f"A survey of {self.poses} poses, at most {self.most}: give 1 or more, and no fewer at most."
            )

    def count(self, starts: Starts) -> int:
        """Poses around each start."""
        reach, least = starts.reach, _LEAST_FOR_ONE * starts.candidates
        wider = (reach.rotation_deg / _USUAL.rotation_deg) ** 3 * reach.depth_mm / _USUAL.depth_mm
        return max(least, min(self.most, math.ceil(self.poses * wider)))


@dataclass(frozen=True)
class Surveyed:
    """Poses that were slid over the X-rays.

    Attributes:
        size: pixels at which they were.
        poses: (N, 4, 4), each at its best place.
        cost: (N,), 1 minus the mean correlation; :data:`NOWHERE` where too little of the CT is seen at every shift.
    """

    size: int
    poses: Tensor
    cost: Tensor


def look_around(
    survey: Survey, objective_of: Callable[[Look], Objective], starts: Starts, seed: int, times: int = 1
) -> Iterator[Surveyed]:
    """Surveys the search range around all starts, and the best poses once more, finer.

    Args:
        survey: how.
        objective_of: of each of its looks.
        starts: around which, and how far.
        seed: of the poses drawn.
        times: as many poses as the survey says.

    Yields:
        a few dozen poses at a time; those of the last size are the result.

    Raises:
        InputError: for a similarity that cannot be slid.
    """
    objectives = [objective_of(look) for look in survey.looks]
    count = times * survey.count(starts)
    poses = torch.cat([_turned_and_near(start, objectives[0], starts.reach, count, seed) for start in starts.poses])
    costs = list[Tensor]()
    for some in poses.split(_AT_ONCE):
        surveyed = _slid(survey.looks, objectives, some, starts)
        costs.append(surveyed.cost)
        yield surveyed
    if survey.finer:
        objectives = [objective_of(look) for look in survey.finer]
        best = torch.argsort(torch.cat(costs))[: math.ceil(survey.share * len(poses))]
        for some in poses[best].split(_AT_ONCE):
            yield _slid(survey.finer, objectives, some, starts)


def _turned_and_near(start: Tensor, objective: Objective, reach: SearchRange, count: int, seed: int) -> Tensor:
    """(N, 4, 4): the start, and poses turned about the isocenter and moved along the first view's central ray, by a
    scrambled Sobol sequence."""
    engine = torch.quasirandom.SobolEngine(4, scramble=True, seed=seed)
    unit = 2 * engine.draw(count, dtype=torch.float64) - 1
    unit[0] = 0
    in_camera = torch.zeros(count, 6, dtype=torch.float64)
    in_camera[:, :3] = unit[:, :3] * math.radians(reach.rotation_deg)
    in_camera[:, 5] = unit[:, 3] * reach.depth_mm
    turn = objective.views[0].view.camera_from_rig[:3, :3]
    twists = torch.cat([in_camera[:, :3] @ turn, in_camera[:, 3:] @ turn], dim=1)
    return se3.about(twists, start.to(torch.float64).expand(count, 4, 4), objective.center)


def _slid(looks: Sequence[Look], objectives: Sequence[Objective], poses: Tensor, starts: Starts) -> Surveyed:
    """Poses (N, 4, 4), each where its DRRs correlate best with all X-rays."""
    first, center = objectives[0].views[0].view, objectives[0].center
    margins = [_margin(item.view, starts, center) for item in objectives[0].views]
    scores = [_scores(objectives, place, poses, margins[place]) for place in range(len(margins))]
    (rows, columns) = margins[0]
    down, right = torch.meshgrid(torch.arange(-rows, rows + 1), torch.arange(-columns, columns + 1), indexing="ij")
    # what the X-ray shows at (v, u) the DRR shows at (v + down, u + right): it has to move back
    shifts = -torch.stack([right, down], dim=-1).reshape(1, -1, 2).double()
    total = scores[0].flatten(1)
    if len(scores) > 1:
        moved = aimed(first, poses, center, shifts.expand(len(poses), -1, 2))
        for item, score, margin in zip(objectives[0].views[1:], scores[1:], margins[1:], strict=True):
            total = total + _seen_by(item.view, score, margin, center, poses, moved)
    best, place = (total / len(scores)).max(1)
    placed = aimed(first, poses, center, shifts[0, place.cpu()][:, None])[:, 0]
    return Surveyed(looks[0].size, placed, 1 - best.cpu().double())


def _margin(view: View, starts: Starts, center: Tensor) -> tuple[int, int]:
    """Rows and columns that something at the isocenter may move by in a search."""
    depth = float(se3.transform_points(view.camera_from_world(starts.poses[:1]), center[None])[0, 0, 2])
    mm = starts.reach.in_plane_mm * view.sdd / max(depth, 0.1 * view.sdd)
    rows, columns = (math.ceil(mm / spacing) for spacing in view.spacing)
    return max(1, min(rows, view.height)), max(1, min(columns, view.width))


def _scores(objectives: Sequence[Objective], place: int, poses: Tensor, margin: tuple[int, int]) -> Tensor:
    """(N, Sy, Sx): correlation in one view at every shift, the mean over the looks."""
    rows, columns = margin
    one = objectives[0]
    small = one.views[place].view
    view = small.cropped(-rows, -columns, small.height + 2 * rows, small.width + 2 * columns)
    image = render(one.volume, view, poses, samples=one.samples, kernel=one.kernel).sum(1)
    share: Tensor | None = None
    scores = []
    for objective in objectives:
        fixed = objective.views[place].fixed
        if not isinstance(fixed, SlidingImage):
            raise InputError(f"{type(fixed).__name__} is no correlation: a survey takes gradient-ncc and local-ncc.")
        weights = footprint(image, 0)
        if objective.bone is not None:
            if share is None:
                bone = render(objective.bone, view, poses, samples=one.samples, kernel=one.kernel).sum(1)
                share = bone_share(bone, image)
            weights = weights * share
        scores.append(slide(fixed, image, weights))
    return torch.stack(scores).mean(0)


def aimed(view: View, poses: Tensor, point: Tensor, shifts: Tensor) -> Tensor:
    """Poses turned about the source so that a point projects elsewhere: the same DRR, at another place of the detector.

    Args:
        view: in which the point is seen.
        poses: (N, 4, 4) rig_from_world.
        point: (3,) world mm.
        shifts: (N, S, 2) pixels (columns, rows) by which its projection moves.

    Returns:
        (N, S, 4, 4).
    """
    from_world = view.camera_from_world(poses)
    inverse = torch.linalg.inv(view.intrinsics)
    camera = se3.transform_points(from_world, point[None])[:, 0]
    pixel = camera @ view.intrinsics.T / camera[:, 2:]
    moved = torch.nn.functional.pad(shifts, (0, 1)) + pixel[:, None]
    old = torch.nn.functional.normalize(pixel @ inverse.T, dim=-1)[:, None].expand_as(moved)
    new = torch.nn.functional.normalize(moved @ inverse.T, dim=-1)
    axis = torch.linalg.cross(old, new)
    length = axis.norm(dim=-1, keepdim=True)
    angle = torch.atan2(length, (old * new).sum(-1, keepdim=True))
    turn = se3.so3_exp(axis * (angle / length.clamp(min=1e-12)))
    turned = se3.from_parts(turn, torch.zeros_like(axis)) @ from_world[:, None]
    return se3.inverse(view.camera_from_rig) @ turned


def _seen_by(
    view: View, scores: Tensor, margin: tuple[int, int], center: Tensor, poses: Tensor, moved: Tensor
) -> Tensor:
    """(N, S): another view's scores (N, Sy, Sx) where the isocenter is seen at poses moved (N, S, 4, 4)."""
    before = view.project(center[None], poses)
    after = view.project(center[None], moved.reshape(-1, 4, 4)).reshape(*moved.shape[:2], 2)
    back = torch.nan_to_num(before - after, nan=1e6, posinf=1e6, neginf=-1e6).clamp(-1e6, 1e6).round().long()
    rows, columns = margin
    x, y = back[..., 0] + columns, back[..., 1] + rows
    inside = (x >= 0) & (x <= 2 * columns) & (y >= 0) & (y <= 2 * rows)
    place = torch.where(inside, y * (2 * columns + 1) + x, 0).to(scores.device)
    return torch.where(inside.to(scores.device), scores.flatten(1).gather(1, place), -1.0)
