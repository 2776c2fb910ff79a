"""What the parts of the learned similarity are worth: encoders trained alike but for one part, then judged from far.

A training this short mainly shows how fast each begins to learn, not where it ends.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from SphericalRegLib.evaluation.far_starts import from_far
from SphericalRegLib.evaluation.simulated import SimulatedCases
from SphericalRegLib.geometry.volume import Volume
from SphericalRegLib.registration import Look
from SphericalRegLib.similarity import GradientNCC, Similarity
from SphericalRegLib.training.encoders import EncoderSettings, EncoderTrainer
from SphericalRegLib.training.equal_times import Stopwatch
from SphericalRegLib.training.pairs import PairSampler
from SphericalRegLib.training.plan import Plan, prepared_volume
from SphericalRegLib.training.trainer import Schedule
from SphericalRegLib.training.xrays import XRaySampler

BASE = "spherical, LM step, shared, no Ψ"

#: {name: encoders}: the base, and what differs from it in one part.
VARIANTS: dict[str, EncoderSettings] = {
    BASE: EncoderSettings(loss="step"),
    **{
        f"loss: {loss}": EncoderSettings(loss=loss)
        for loss in ("gradient directions", "gradient se3", "gradient so4", "gradient so4 projected")
    },
    "loss: 2 LM steps": EncoderSettings(loss="step", unrolled=2),
    **{
        f"manifold: {manifold}": EncoderSettings(loss="step", manifold=manifold)
        for manifold in ("spherical-geodesic", "euclidean", "hyperbolic")
    },
    "encoders: unshared": EncoderSettings(loss="step", shared=False),
    **{f"Ψ: {kind}": EncoderSettings(loss="step", volume_network=kind) for kind in ("equivariant", "plain")},
}

#: Nothing is trained: what the others must beat.
BY_INTENSITY, UNTRAINED = "gradient NCC (no training)", "untrained encoders"

#: All rows, in the order in which they are told.
ROWS = (BY_INTENSITY, UNTRAINED, *VARIANTS)


@dataclass(frozen=True)
class Ablation:
    """The same CT, cases and plan for every row.

    Attributes:
        made: the cases to judge on, with far starts.
        plan: the X-ray system and the ranges of poses; its schedules are not used.
        within_mm: what counts as found.
        seed: of weights and training images.
    """

    made: SimulatedCases
    plan: Plan
    within_mm: float = 20.0
    seed: int = 0

    def row(self, name: str, schedule: Callable[[], Schedule]) -> dict[str, Any]:
        """Train and judge one of :data:`ROWS`.

        Args:
            name: of the row.
            schedule: makes that of the training, whose time begins then.
        """
        if name == BY_INTENSITY:
            return self._judged(GradientNCC(1.0), 1e-3)
        if name == UNTRAINED:
            return self._judged_by(self.trainer(VARIANTS[BASE], Schedule(1, seed=self.seed)))
        settings = VARIANTS[name]
        # two pairs of one step: kernels are compiled before time is counted
        for _ in self.trainer(settings, Schedule(1, batch=2, seed=self.seed)).steps():
            pass
        watch = Stopwatch()
        trainer = self.trainer(settings, schedule())
        for _ in trainer.steps():
            pass
        seconds, losses = watch.seconds, trainer.losses
        last, judged = len(losses) // 10 or 1, self._judged_by(trainer)
        return {
            "steps": len(losses),
            "train_s": round(seconds, 1),
            "loss_first": round(losses[0], 4),
            "loss_last_tenth": round(sum(losses[-last:]) / last, 4),
            "psi_relative_norm": self._added(trainer),
            **judged,
        }

    def trainer(self, settings: EncoderSettings, schedule: Schedule) -> EncoderTrainer:
        """Encoders, ready to train."""
        plan, pixels = self.plan, self.plan.encoder_pixels
        coarse = prepared_volume(self.made.volume, plan, pixels)
        xrays = XRaySampler(coarse, plan.view(pixels), plan.nominal(coarse.center), plan.truth, samples=pixels)
        return EncoderTrainer([PairSampler(xrays, plan.reach)], schedule, settings)

    def _added(self, trainer: EncoderTrainer) -> float | None:
        """How much Ψ adds to the CT, relative to it; None without Ψ."""
        if trainer.network is None:
            return None
        volume = self.made.volume
        added = trainer.network(volume).density - volume.density
        return round(float(added.norm() / volume.density.norm()), 4)

    def _judged_by(self, trainer: EncoderTrainer) -> dict[str, Any]:
        for module in trainer.modules():
            module.requires_grad_(False)
        return self._judged(trainer.similarity, trainer.damping, trainer.network)

    def _judged(
        self, similarity: Similarity, damping: float, adapt: Callable[[Volume], Volume] | None = None
    ) -> dict[str, Any]:
        look = Look(similarity, self.plan.encoder_pixels, adapt=adapt)
        return from_far(self.made, look, damping, self.within_mm)
