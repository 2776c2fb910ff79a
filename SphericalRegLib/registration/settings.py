"""What a registration does, stage by stage: one line of choices each."""

from __future__ import annotations

from dataclasses import dataclass, field

from SphericalRegLib.initialization.search import SearchRange
from SphericalRegLib.optimization.levenberg_marquardt import LevenbergMarquardt
from SphericalRegLib.optimization.problem import Optimizer
from SphericalRegLib.similarity import GradientNCC, Similarity, ToneFreeGradient


@dataclass(frozen=True)
class Stage:
    """One level of resolution.

    Attributes:
        name: for progress.
        size: pixels along the X-ray's longer side; never more than the X-ray has.
        similarity: at this stage.
        optimizer: at this stage.
        keep: candidates that go on to the next stage, the best by cost.
        voxel: voxels of the CT at this stage, in pixels' size at the isocenter.
    """

    name: str
    size: int
    similarity: Similarity
    optimizer: Optimizer
    keep: int = 1
    voxel: float = 0.75


def default_stages() -> tuple[Stage, ...]:
    """From many rough candidates at 32 pixels to one exact pose; gradients throughout, free of tone at the end."""
    return (
        Stage("search", 32, GradientNCC(1.0), LevenbergMarquardt(iterations=12, tolerance=1.0), keep=5),
        Stage("select", 64, GradientNCC(1.0), LevenbergMarquardt(iterations=10, tolerance=0.5), keep=3),
        Stage("align", 64, ToneFreeGradient(0.7), LevenbergMarquardt(iterations=12, tolerance=0.1, renewal=3), keep=2),
        Stage("refine", 128, ToneFreeGradient(0.7), LevenbergMarquardt(iterations=15, tolerance=0.02, renewal=3)),
    )


@dataclass(frozen=True)
class Thresholds:
    """When a result is refused.

    Attributes:
        cost: above this share of unexplained gradient, 1 - R², images are not alike.
        overlap: the X-ray must see at least this share of its usable pixels behind the CT.
        condition: of the scaled normal equations: above, some direction is not observable.
        rival_cost: a second optimum elsewhere whose cost is within this factor makes the answer doubtful.
        rival_mm: what "elsewhere" means.
    """

    cost: float = 0.25
    overlap: float = 0.05
    condition: float = 1e7
    rival_cost: float = 1.15
    rival_mm: float = 10.0


@dataclass(frozen=True)
class Settings:
    """All choices of a registration; the defaults are the best measured ones.

    Attributes:
        stages: coarse to fine.
        candidates: poses tried around each start; 1 trusts the start.
        range: around each start, filled by the candidates.
        thresholds: of the verdict.
        footprint_mm: at the isocenter: pixels farther than this from the DRR do not count. None: off for a whole CT.
        kernel: of the renderer.
        seed: of the candidates.
    """

    stages: tuple[Stage, ...] = field(default_factory=default_stages)
    candidates: int = 16
    range: SearchRange = field(default_factory=SearchRange)
    thresholds: Thresholds = field(default_factory=Thresholds)
    footprint_mm: float | None = None
    kernel: str = "auto"
    seed: int = 0
