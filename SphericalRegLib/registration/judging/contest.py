"""A result against the poses that are easily confused with it, each refined."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace

import torch
from torch import Tensor

from SphericalRegLib.geometry.volume import Volume
from SphericalRegLib.imaging.xray import XRay
from SphericalRegLib.optimization.problem import Step
from SphericalRegLib.registration.judging.rivals import Rival, best_rivals, confusable, is_elsewhere
from SphericalRegLib.registration.levels import Levels, body_length
from SphericalRegLib.registration.optima import SAME_MM
from SphericalRegLib.registration.system import Stage

# mm that a rival may move while it is refined.
_MARGIN_MM = 10.0
# Beyond so many degrees the optimizer does not find from a result's rival what it finds from a start's.
_TURNED_DEG = 15.0
# A rival that costs so many times more than the result is not refined any further: right and wrong poses of one bone
# differ by less than that only where neither is refined.
_HOPELESS = 1.5


class Contest:
    """Refines rivals of a pose by a system's last two stages, and the pose beside them, so that costs are of the same
    pixels.

    Iterate it to run it.

    Args:
        volume: the bone.
        xrays: the views.
        stages: of the system; the last two run.
        pose: (4, 4) the result so far.
        starts: (S, 4, 4); of those elsewhere the rivals are tried as well, for a search that began at a rival ends
            anywhere, and only the start is still related to the truth.
        elsewhere_mm: rivals nearer than this, and turned by little, are the result itself.
        kernel: of the renderer.

    Attributes:
        pose: (4, 4) of lowest cost; the given one until something else fits better.
        cost: its cost.
        given_cost: of the given pose.
        won_by: the rival that it came of, before it was refined; None while it is the given pose.
        converged: whether it came to rest.
        rivals: refined, elsewhere than ``pose``, best first.
    """

    def __init__(
        self,
        volume: Volume,
        xrays: Sequence[XRay],
        stages: Sequence[Stage],
        pose: Tensor,
        starts: Tensor,
        elsewhere_mm: float,
        kernel: str,
    ) -> None:
        self._geometry = (volume.center, body_length(volume))
        far = [start for start in starts if is_elsewhere(start, pose, *self._geometry, elsewhere_mm, _TURNED_DEG)]
        views = [xray.view for xray in xrays]
        self._begun = [rival for origin in (pose, *far) for rival in confusable(volume, views, origin)]
        around = torch.stack([pose, *(rival.pose for rival in self._begun)])
        self.levels = Levels(volume, xrays, around, _MARGIN_MM, kernel)
        self._stages = stages[-2:]
        self._elsewhere_mm = elsewhere_mm
        self.pose = pose
        self.cost = self.given_cost = float("inf")
        self.won_by: Rival | None = None
        self.converged = True
        self.rivals: list[Rival] = []

    def __iter__(self) -> Iterator[tuple[Stage, Step]]:
        """The first hypothesis of each step is the given pose."""
        given, still = self.pose, list(enumerate(self._begun))
        refined = list[tuple[int, Rival]]()
        for number, stage in enumerate(self._stages):
            if not still:
                return
            objective = self.levels.objective(stage.look)
            step: Step | None = None
            for step in stage.optimizer.steps(
                objective, objective.state(torch.stack([given, *(rival.pose for _, rival in still)]))
            ):
                yield stage, step
            assert step is not None
            costs = step.cost.tolist()
            refined = [
                (origin, replace(rival, pose=step.poses[place], cost=costs[place]))
                for place, (origin, rival) in enumerate(still, 1)
            ]
            if number < len(self._stages) - 1:
                hopeful = [rival for _, rival in refined if rival.cost < _HOPELESS * costs[0]]
                going_on = best_rivals(hopeful, given, *self._geometry, self._elsewhere_mm)[: stage.keep]
                still = [(origin, rival) for origin, rival in refined if any(rival is one for one in going_on)]
                continue
            self.given_cost = costs[0]
            self.pose, self.cost, self.converged = step.poses[0], costs[0], bool(step.done[0])
            for place, (origin, rival) in enumerate(refined, 1):
                if rival.cost < self.cost and is_elsewhere(rival.pose, step.poses[0], *self._geometry, SAME_MM):
                    self.pose, self.cost, self.converged = rival.pose, rival.cost, bool(step.done[place])
                    self.won_by = self._begun[origin]
            if self.won_by is not None:
                refined.append((-1, Rival(step.poses[0], self.won_by.words, costs[0])))
            others = [rival for _, rival in refined]
            self.rivals = best_rivals(others, self.pose, *self._geometry, self._elsewhere_mm)
