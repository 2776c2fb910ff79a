"""What a landscape shows: costs of poses, from images or from the poses alone."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Protocol

import torch
from torch import Tensor

from SphericalRegLib.errors import InputError
from SphericalRegLib.geometry import se3, so4
from SphericalRegLib.geometry.view import View
from SphericalRegLib.geometry.volume import Volume
from SphericalRegLib.imaging.xray import XRay
from SphericalRegLib.optimization.numerical import numerical_curvature
from SphericalRegLib.optimization.objective import Objective
from SphericalRegLib.registration.judging.verdict import condition_number
from SphericalRegLib.registration.levels import Levels
from SphericalRegLib.registration.look import Look
from SphericalRegLib.rendering import render

#: Distances between poses by name.
DISTANCES = ("se3", "so4", "so4-projected")


class PoseCosts(Protocol):
    """One or several costs of a pose, computed together."""

    @property
    def names(self) -> Sequence[str]:
        """One for each cost."""
        ...

    @property
    def pixels(self) -> int:
        """How much one pose takes, in pixels of its images: batches are made no larger than memory allows."""
        ...

    def evaluate(self, poses: Tensor) -> Tensor:
        """(S, B) float64 costs of poses (B, 4, 4) rig_from_world; NaN where there is nothing to compare."""
        ...

    def conditions(self, pose: Tensor) -> list[float | None]:
        """Condition number of each cost's 6×6 Gauss-Newton Hessian at a pose (4, 4), its rotations scaled as in
        registration; None where the cost is no sum of squares or there is nothing to compare."""
        ...


@dataclass(frozen=True)
class ImageCosts:
    """Costs of several similarities on the same DRRs, which are rendered once; those for which a volume network has
    changed the CT see their own. Made by :func:`image_costs`.

    All of a view's usable pixels count as much as they do at the first step of a registration; robust weights, which
    would themselves depend on the pose, are left out.

    Attributes:
        objectives: by name, of one grid of voxels and the same views.
    """

    objectives: Mapping[str, Objective]

    def __post_init__(self) -> None:
        if not self.objectives:
            raise InputError("There is no similarity to compute: name at least one.")
        first = self._first
        for name, other in self.objectives.items():
            same = _same_grid(other.volume, first.volume) and other.samples == first.samples
            same = same and len(other.views) == len(first.views)
            if not same or not all(_same_view(a.view, b.view) for a, b in zip(other.views, first.views, strict=True)):
                raise InputError(f"Similarity {name!r} has another volume, resolution or view than the first.")

    @property
    def _first(self) -> Objective:
        return next(iter(self.objectives.values()))

    @property
    def names(self) -> Sequence[str]:
        """See :class:`PoseCosts`."""
        return tuple(self.objectives)

    @property
    def pixels(self) -> int:
        """See :class:`PoseCosts`."""
        return sum(item.view.height * item.view.width for item in self._first.views)

    @torch.no_grad()
    def evaluate(self, poses: Tensor) -> Tensor:
        """See :class:`PoseCosts`; NaN where the CT covers no usable pixel of some view."""
        costs = torch.zeros(len(self.objectives), poses.shape[0], dtype=torch.float64)
        first = self._first
        for n, item in enumerate(first.views):
            drawn: dict[int, Tensor] = {}
            for row, objective in enumerate(self.objectives.values()):
                seen = objective.volume
                if id(seen) not in drawn:
                    images = render(seen, item.view, poses, samples=first.samples, kernel=first.kernel)
                    drawn[id(seen)] = images.sum(1)
                image = drawn[id(seen)]
                no_columns = image.new_zeros(image.shape[0], 0, *image.shape[1:])
                weight = objective.support(objective.views[n], image)
                cost = objective.views[n].fixed.compare(image, no_columns, weight).cost
                costs[row] += cost.cpu().double() / len(first.views)
                costs[row, ~_seen(image, weight)] = torch.nan
        return torch.where(torch.isfinite(costs), costs, torch.nan)

    @torch.no_grad()
    def conditions(self, pose: Tensor) -> list[float | None]:
        """See :class:`PoseCosts`."""
        seen = torch.isfinite(self.evaluate(pose[None]))[:, 0]
        return [
            _condition(objective, pose) if visible else None
            for objective, visible in zip(self.objectives.values(), seen.tolist(), strict=True)
        ]


def image_costs(
    volume: Volume,
    xrays: Sequence[XRay],
    pose: Tensor,
    looks: Mapping[str, Look],
    *,
    margin_mm: float = 40.0,
    kernel: str = "auto",
) -> list[ImageCosts]:
    """The costs of a CT against X-rays, exactly as the stages of a registration look at them.

    Args:
        volume: the CT's attenuation.
        xrays: the views, at least one.
        pose: (4, 4) rig_from_world in the middle of the landscape: it sets how coarse the CT may be.
        looks: by name; see :func:`~SphericalRegLib.registration.looks.looks_by_name`.
        margin_mm: with a footprint, how far the bone may get from its place at ``pose``.
        kernel: of the renderer.

    Returns:
        one for each resolution, in the order of the looks; those that share theirs share the DRRs.

    Raises:
        InputError: without an X-ray or a look.
    """
    if not xrays:
        raise InputError("There is no X-ray to compare with.")
    if not looks:
        raise InputError("There is no similarity to compute: name at least one.")
    levels = Levels(volume, xrays, pose, margin_mm, kernel)
    groups: dict[object, dict[str, Objective]] = {}
    for name, look in looks.items():
        shown = (look.size, look.voxel, look.footprint_mm)
        groups.setdefault(shown, {})[name] = levels.objective(look)
    return [ImageCosts(group) for group in groups.values()]


@dataclass(frozen=True)
class PoseDistances:
    """Distances to one pose: what the landscape of a perfect similarity would look like (Chen and Kong, WACV 2026,
    Figure 3).

    Attributes:
        names: some of :data:`DISTANCES`: ``se3``, ‖Log(A⁻¹B)‖ in radians, ``length`` mm counting as one; ``so4``,
            ‖H_A − H_B‖, and ``so4-projected``, the same of the nearest rotations of four-space.
        target: (4, 4) rig_from_world.
        view: the camera, whose source-to-detector distance is the embedding's length f.
        isocenter: (3,) world mm; translations are those of this point, from where it is at ``target``.
        length: mm.

    Raises:
        InputError: for a name that is none of :data:`DISTANCES`.
    """

    names: tuple[str, ...]
    target: Tensor
    view: View
    isocenter: Tensor
    length: float = 100.0

    def __post_init__(self) -> None:
        for name in self.names:
            if name not in DISTANCES:
                raise InputError(f"There is no pose distance {name!r}: choose among {', '.join(DISTANCES)}.")

    @property
    def pixels(self) -> int:
        """See :class:`PoseCosts`."""
        return 64

    def evaluate(self, poses: Tensor) -> Tensor:
        """See :class:`PoseCosts`; never NaN."""
        a, b = self.view.camera_from_world(poses), self.view.camera_from_world(self.target).expand_as(poses)
        origin = se3.transform_points(b[0], self.isocenter[None])[0]
        rows = []
        for name in self.names:
            if name == "se3":
                rows.append(so4.geodesic_se3(a, b, self.isocenter, self.length))
            else:
                rows.append(so4.distance_so4(a, b, self.view.sdd, name == "so4-projected", self.isocenter, origin))
        return torch.stack(rows)

    def conditions(self, pose: Tensor) -> list[float | None]:
        """See :class:`PoseCosts`: None, for a distance has a cone's tip at its minimum."""
        return [None] * len(self.names)


def _condition(objective: Objective, pose: Tensor) -> float:
    """By the cost's own model of its curvature, or where it has none by differences of its gradient."""
    state = objective.state(pose[None])
    model = objective.linearize(state).curvature
    curvature = numerical_curvature(objective, state) if model is None else model[0]
    return condition_number(curvature, objective.length)


def _seen(image: Tensor, weight: Tensor) -> Tensor:
    """(B,) whether a pixel that counts lies behind the CT."""
    return ((image > 0) & (weight > 0)).flatten(1).any(-1).cpu()


def _same_grid(a: Volume, b: Volume) -> bool:
    return a.density.shape == b.density.shape and torch.equal(a.world_from_voxel, b.world_from_voxel)


def _same_view(a: View, b: View) -> bool:
    return (
        (a.height, a.width) == (b.height, b.width)
        and torch.equal(a.intrinsics, b.intrinsics)
        and torch.equal(a.camera_from_rig, b.camera_from_rig)
    )
