"""Several bodies in one X-ray: its image is the sum of theirs, its Jacobian has theirs side by side."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property

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
from SphericalRegLib.optimization.image_objective import Drawn, FixedView, ImageObjective, bone_and_rest
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

    @cached_property
    def parts(self) -> Volume:
        """Bone and the rest as channels."""
        if self.bone is None:
            return bone_and_rest(self.volume, replace(self.volume, density=torch.zeros_like(self.volume.density)))
        return bone_and_rest(self.volume, self.bone)


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
            volume = self._channels(body)
            if jacobian:
                image, own = linearize(volume, seen, poses, samples=body.samples, kernel=self.kernel)
                columns.append(own)
            else:
                image = render(volume, seen, poses, samples=body.samples, kernel=self.kernel)
            moving = image if moving is None else moving + image
        assert moving is not None
        outline = moving.sum(1)
        still = self._still(view, bone=False)
        shown = moving if still is None else moving + still
        every = of_rest = outline.new_zeros(outline.shape[0], 0, *outline.shape[1:])
        if jacobian:
            every = self._of_all(view, seen, state, [one.sum(1) for one in columns])
        if not self._apart:
            return Drawn(shown.sum(1), every, outline)
        if jacobian:
            of_rest = self._of_all(view, seen, state, [one[:, 1] for one in columns])
        return Drawn(shown.sum(1), every, outline, shown[:, 1], of_rest)

    @property
    def _apart(self) -> bool:
        """Whether bone and the rest are drawn apart."""
        bodies = (*self.bodies, *(body for body, _ in self.held))
        return self.parted and self.by_bone and any(body.bone is not None for body in bodies)

    def _channels(self, body: RenderedBody) -> Volume:
        """What is drawn of a body."""
        return body.parts if self._apart else body.volume

    def _of_all(self, view: View, seen: View | list[View], state: State, jacobians: list[Tensor]) -> Tensor:
        """(B, P, H, W) in all parameters, of the bodies' own (B, 6, H, W)."""
        if not self.calibrating:
            return torch.cat(jacobians, 1)
        return torch.cat([*jacobians, *self._calibration_columns(view, seen, state, jacobians)], 1)

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
        parts += [] if still is None else [still.sum(1)]
        return torch.stack(torch.broadcast_tensors(*parts)).sum(0) if parts else None

    def _still(self, view: View, bone: bool) -> Tensor | None:
        """(1, C, H, W) what the held bodies show, drawn once; None where nothing is held."""
        key = (self._place(view), bone)
        if key not in self._drawn:
            images = [
                render(volume, view, pose[None].to(torch.float64), samples=body.samples, kernel=self.kernel)
                for body, pose in self.held
                if (volume := body.bone if bone else self._channels(body)) is not None
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
