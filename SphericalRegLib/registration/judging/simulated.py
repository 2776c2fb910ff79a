"""Intervals for this patient and this pose: X-rays simulated where the result lies, registered again, and looked at.

What an interval should be depends on anatomy, view and system; a calibration over other patients knows only their mean.
Here clinical X-rays of the patient's own CT are drawn at the found pose (scatter, tone, tissue that moved, noise: see
``simulation.levels``), with the field that the real X-ray left open, and how far the last stage ends from the pose that
made them is what it must be believed to be off: noise and bias together.
"""

from __future__ import annotations

import math
from collections.abc import Generator, Sequence
from dataclasses import dataclass, replace

import numpy as np
import torch
from scipy import stats
from torch import Tensor

from SphericalRegLib.errors import GeometryError, InputError
from SphericalRegLib.geometry import se3
from SphericalRegLib.geometry.view import View
from SphericalRegLib.imaging.ct import CT
from SphericalRegLib.imaging.mask import estimate_mask
from SphericalRegLib.imaging.xray import XRay
from SphericalRegLib.initialization import Case, Conditions, SearchRange, Starts
from SphericalRegLib.initialization.search import spread_poses
from SphericalRegLib.registration.alignment import Alignment
from SphericalRegLib.registration.judging.uncertainty import standard_deviations
from SphericalRegLib.registration.result import HalfWidths, Progress
from SphericalRegLib.registration.system import System
from SphericalRegLib.simulation.degrade import Degradations
from SphericalRegLib.simulation.levels import LEVELS, Level
from SphericalRegLib.simulation.simulate import simulate, to_attenuation

#: X-rays that are simulated: an interval from so few is a tenth wider than one from many.
SAMPLES = 12
# Pixels of the longer side: more than what the last stage looks at, and no more than time allows.
_LONGEST = 320
# How far off the truth the last stage begins, as after the stages before it.
_NEAR = SearchRange(1.0, 2.0, 6.0)


@dataclass(frozen=True)
class SimulatedErrors:
    """What became of simulated X-rays.

    Attributes:
        twists: (N, 6) float64, from the pose that made an X-ray to the one found in it, about the isocenter, in the
            rig's axes, rad and mm.
        costs: (N,) of the poses found, as the judge looks at them.
    """

    twists: Tensor
    costs: Tensor

    def half_widths(self, view: View) -> HalfWidths:
        """95 % intervals, about and along a view's axes: Student's t over the root mean square, bias included."""
        count = len(self.twists)
        deviations = standard_deviations(self.twists.T @ self.twists / count, view)
        t = float(stats.t.ppf(0.975, count))
        return HalfWidths(t * deviations.rotation_deg, t * deviations.plane_mm, t * deviations.depth_mm)

    @property
    def cost_limit(self) -> float:
        """What one in a thousand right poses of this patient costs more than: of log-normal costs, as far as so few of
        them tell."""
        logarithms = self.costs.clamp(min=1e-6).log()
        count = len(logarithms)
        if count < 2:
            return math.inf
        beyond = float(stats.t.ppf(0.999, count - 1)) * math.sqrt(1 + 1 / count) * float(logarithms.std())
        return math.exp(min(float(logarithms.mean()) + beyond, 700.0))

    def refusal(self, cost: float) -> str | None:
        """Why a result of this cost is not believed, or None."""
        if cost <= self.cost_limit:
            return None
        return (
            f"Weak similarity for this patient: the cost is {cost:.2g}, where {len(self.costs)} X-rays simulated of "
            f"this CT at this pose cost {float(self.costs.min()):.2g} to {float(self.costs.max()):.2g} (limit "
            f"{self.cost_limit:.2g}). Wrong pose, wrong CT or wrong geometry."
        )


def simulated_errors(
    scan: CT,
    case: Case,
    system: System,
    pose: Tensor,
    conditions: Conditions,
    samples: int | None = None,
    level: Level = LEVELS["clinical"],
) -> Generator[Progress, None, SimulatedErrors]:
    """Simulates X-rays at a pose and registers them by the system's last stage.

    Args:
        scan: the whole CT in Hounsfield units, which X-rays are made of.
        case: what was registered: the volume may be of chosen bones.
        system: whose last stage and judge count; it has stages.
        pose: (4, 4) rig_from_world.
        conditions: of the run; its seed is that of the X-rays.
        samples: how many; :data:`SAMPLES` by default.
        level: how hard the X-rays are.

    Returns:
        what became of them; those in which the CT was not found are left out.

    Raises:
        InputError: where hardly an X-ray could be registered.
    """
    samples = SAMPLES if samples is None else samples
    last = replace(system, stages=system.stages[-1:], retries=0, again=(), rivals=False)
    center = case.volume.center
    twists, costs = list[Tensor](), list[float]()
    for sample in range(samples):
        try:
            xrays = _alike(scan, case.xrays, pose, level, [conditions.seed, sample])
            begin = spread_poses(pose[None], center, _NEAR, 2, conditions.seed + sample)[1:]
            alignment = Alignment(
                case.volume, xrays, Starts(begin, _NEAR, 1, "a simulated X-ray's pose"), last, conditions
            )
            for step in alignment:
                yield replace(
                    step, stage=f"simulated X-ray {sample + 1} of {samples}: {step.stage}", level=step.levels - 1
                )
        except GeometryError:
            continue
        twists.append(se3.difference_about(alignment.pose[None], pose[None], center)[0])
        costs.append(alignment.likeness()[0])
    if len(twists) < max(2, samples // 2):
        raise InputError(
            f"Of {samples} X-rays simulated at this pose only {len(twists)} could be registered: the CT hardly lies in "
            "the beam there. Leave out uncertainty='simulated'."
        )
    return SimulatedErrors(torch.stack(twists), torch.tensor(costs, dtype=torch.float64))


def _alike(scan: CT, xrays: Sequence[XRay], pose: Tensor, level: Level, seed: Sequence[int]) -> list[XRay]:
    """X-rays of the CT through the same views, of one patient, with the same pixels usable."""
    made: list[XRay] = []
    patient: Degradations | None = None
    for number, xray in enumerate(xrays):
        view = xray.view
        shrink = min(1.0, _LONGEST / max(view.height, view.width))
        view = view.resized(round(view.height * shrink), round(view.width * shrink))
        rng = np.random.default_rng([*seed, number])
        # the real one's field is what its mask leaves
        drawn = replace(level.draw(rng, view, scan, bool(rng.random() < 0.5)), collimation=None)
        patient = patient or drawn
        drawn = replace(drawn, soft_tissue=patient.soft_tissue, slabs=patient.slabs)
        taken = simulate(scan.hu, scan.world_from_voxel, view, pose.numpy(), drawn, seed=int(rng.integers(2**31)))
        image = to_attenuation(taken)
        made.append(XRay(image, view, estimate_mask(image, _resized(xray.mask, image.shape))))
    return made


def _resized(mask: np.ndarray, shape: tuple[int, ...]) -> np.ndarray:
    rows, columns = (
        np.minimum(((np.arange(new) + 0.5) * old / new).astype(int), old - 1)
        for new, old in zip(shape, mask.shape, strict=True)
    )
    return mask[np.ix_(rows, columns)]
