"""Several bodies in one X-ray: its image is the sum of theirs, its Jacobian has theirs side by side."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

import torch
from torch import Tensor

from SphericalRegLib.errors import InputError
from SphericalRegLib.geometry.view import View
from SphericalRegLib.geometry.volume import Volume
from SphericalRegLib.optimization.calibration_block import (
    PARAMETERS,
    calibrated,
    calibration_blocks,
    calibration_columns,
)
from SphericalRegLib.optimization.image_objective import Drawn, FixedView, ImageObjective
from SphericalRegLib.optimization.state import Block, PoseBlock, State
from SphericalRegLib.rendering import linearize, render


@dataclass(frozen=True, eq=False)
class RenderedBody:
    """A rigid body at one level of resolution.

    Attributes:
        volume: its attenuation; what it adds to the other bodies', so that it may be negative.
        samples: along each ray.
        length: mm that one radian of its pose counts as.
        bone: what of it attenuates beyond soft tissue; None where none does.
    """

    volume: Volume
    samples: int
    length: float
    bone: Volume | None = None


@dataclass(frozen=True)
class BodiesObjective(ImageObjective):
    """The mean cost of several views of several bodies, each at a pose of its own; see :class:`ImageObjective`.

    Line integrals add up, so the image is the sum of the bodies' images; a step of one body changes its own image only,
    so that their Jacobians (6 columns each) stand side by side and one step moves all of them.

    Attributes:
        bodies: that move; a state has a block of six for each.
        views: the X-rays at this level.
        held: bodies that are drawn at poses (4, 4) rig_from_world and do not move.
        footprint_radius: where positive, only pixels within so many pixels of what the moving bodies show count.
        kernel, robust_passes, further_passes, robust_scale, parted, saturation: as of
            :class:`~SphericalRegLib.optimization.objective.Objective`.
        by_bone: whether pixels count by how much of their gradient is bone's.
        calibrating: whether focal length and principal point of each view are parameters too, behind the bodies
            (:mod:`~SphericalRegLib.optimization.calibration_block`); then no body is held.

    Raises:
        InputError: without a body that moves, or for one that is held while views are calibrated.
    """

    bodies: Sequence[RenderedBody]
    views: Sequence[FixedView]
    held: Sequence[tuple[RenderedBody, Tensor]] = ()
    footprint_radius: int = 0
    kernel: str = "auto"
    robust_passes: int = 6
    further_passes: int = 2
    robust_scale: float = 2.5
    by_bone: bool = False
    parted: bool = False
    saturation: float | None = None
    calibrating: bool = False
    _drawn: dict[tuple[int, bool], Tensor] = field(default_factory=dict, init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        if not self.bodies:
            raise InputError("There is no body to move: give one or several.")
        if self.calibrating and self.held:
            raise InputError("A body is held while views are calibrated: let all of them move.")

    def state(self, poses: Sequence[Tensor], calibrations: Sequence[Tensor] = ()) -> State:
        """A state of one batch of poses (B, 4, 4) rig_from_world for each body that moves, and, where views are
        calibrated, of values (B, 3) for each view, 0 by default."""
        blocks: list[Block] = [PoseBlock(body.volume.center, body.length) for body in self.bodies]
        values = [one.to(torch.float64) for one in poses]
        if self.calibrating:
            blocks += calibration_blocks(len(self.views))
            nothing = torch.zeros(len(values[0]), PARAMETERS, dtype=torch.float64)
            values += list(calibrations) or [nothing] * len(self.views)
        return State(tuple(blocks), tuple(values))

    def draw(self, view: View, state: State, jacobian: bool) -> Drawn:
        """See :class:`ImageObjective`."""
        columns = list[Tensor]()
        moving: Tensor | None = None
        seen = self._seen(view, state)
        for body, poses in zip(self.bodies, state.values[: len(self.bodies)], strict=True):
            if jacobian:
                image, own = linearize(body.volume, seen, poses, samples=body.samples, kernel=self.kernel)
                columns.append(own.sum(1))
            else:
                image = render(body.volume, seen, poses, samples=body.samples, kernel=self.kernel)
            moving = image.sum(1) if moving is None else moving + image.sum(1)
        assert moving is not None
        if jacobian and self.calibrating:
            columns += self._calibration_columns(view, seen, state, columns)
        still = self._still(view, bone=False)
        empty = moving.new_zeros(moving.shape[0], 0, *moving.shape[1:])
        return Drawn(
            moving if still is None else moving + still, torch.cat(columns, 1) if columns else empty, outline=moving
        )

    def draw_bone(self, view: View, state: State) -> Tensor | None:
        """See :class:`ImageObjective`."""
        if not self.by_bone:
            return None
        seen = self._seen(view, state)
        parts = [
            render(body.bone, seen, poses, samples=body.samples, kernel=self.kernel).sum(1)
            for body, poses in zip(self.bodies, state.values[: len(self.bodies)], strict=True)
            if body.bone is not None
        ]
        still = self._still(view, bone=True)
        parts += [] if still is None else [still]
        return torch.stack(torch.broadcast_tensors(*parts)).sum(0) if parts else None

    def _still(self, view: View, bone: bool) -> Tensor | None:
        """(1, H, W) what the held bodies show, drawn once; None where nothing is held."""
        key = (self._place(view), bone)
        if key not in self._drawn:
            images = [
                render(volume, view, pose[None].to(torch.float64), samples=body.samples, kernel=self.kernel).sum(1)
                for body, pose in self.held
                if (volume := body.bone if bone else body.volume) is not None
            ]
            if not images:
                return None
            self._drawn[key] = torch.stack(images).sum(0)
        return self._drawn[key]

    def _place(self, view: View) -> int:
        return next(n for n, item in enumerate(self.views) if item.view is view)

    def _seen(self, view: View, state: State) -> View | list[View]:
        """The view, or what it is in each hypothesis."""
        if not self.calibrating:
            return view
        values = state.values[len(self.bodies) + self._place(view)]
        return [calibrated(view, one) for one in values]

    def _calibration_columns(
        self, view: View, seen: View | list[View], state: State, jacobians: Sequence[Tensor]
    ) -> list[Tensor]:
        """(B, 3, H, W) for each view: zeros for the other ones."""
        assert isinstance(seen, list)
        centers = [body.volume.center for body in self.bodies]
        own = torch.cat(
            [
                calibration_columns(
                    one,
                    view,
                    [values[n : n + 1] for values in state.values[: len(self.bodies)]],
                    centers,
                    [jacobian[n : n + 1] for jacobian in jacobians],
                )
                for n, one in enumerate(seen)
            ]
        )
        place = self._place(view)
        return [own if n == place else torch.zeros_like(own) for n in range(len(self.views))]
