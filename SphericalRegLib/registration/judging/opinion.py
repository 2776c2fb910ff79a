"""A second judge of a result: another similarity, which took no part in its last stages."""

from __future__ import annotations

from dataclasses import dataclass

from torch import Tensor

from SphericalRegLib.networks.model import Model
from SphericalRegLib.registration.levels import Levels
from SphericalRegLib.registration.look import Look
from SphericalRegLib.registration.system import learned_stage
from SphericalRegLib.registration.trained import learned_similarity


@dataclass(frozen=True)
class Opinion:
    """By what a result is judged once more.

    Attributes:
        look: at the result; nothing is optimized.
        limit: of the cost; above, the result is refused.
    """

    look: Look
    limit: float

    def of(self, pose: Tensor, levels: Levels) -> str | None:
        """What speaks against a pose (4, 4), for the user; None where nothing does."""
        objective = levels.objective(self.look)
        cost = float(objective.linearize(objective.state(pose[None]), jacobian=False).cost[0])
        if cost <= self.limit:
            return None
        return (
            f"The learned similarity disagrees: its cost is {cost:.2g}, where right poses stay below "
            f"{self.limit:.2g}. Wrong pose, or an X-ray unlike those the model was trained on."
        )


def learned_opinion(model: Model) -> Opinion | None:
    """The learned cost as a second judge, where a limit was measured that holds for this CT.

    The limit comes from X-rays of the CTs trained on. Of a model of several CTs nobody knows whether this patient is
    among them, and what right poses of another one cost was not measured: it could refuse them all, or none.
    """
    limit = model.card.cost_limit
    if limit is None or model.card.fingerprint is None or learned_similarity(model) is None:
        return None
    return Opinion(learned_stage().of(model).look, limit)
