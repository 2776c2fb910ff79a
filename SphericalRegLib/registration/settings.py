"""What a registration does, stage by stage: one line of choices each."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field, replace

from SphericalRegLib.errors import InputError
from SphericalRegLib.geometry.volume import Volume
from SphericalRegLib.initialization.search import SearchRange
from SphericalRegLib.optimization.levenberg_marquardt import LevenbergMarquardt
from SphericalRegLib.optimization.problem import Optimizer
from SphericalRegLib.optimization.table import limited, optimizer_entry
from SphericalRegLib.similarity import GradientNCC, LocalNCC, Similarity, ToneFreeGradient
from SphericalRegLib.similarity.table import similarity_entry


@dataclass(frozen=True)
class Stage:
    """One level of resolution.

    Attributes:
        name: for progress.
        size: pixels along the X-ray's longer side; never more than the X-ray has.
        similarity: at this stage.
        optimizer: at this stage.
        keep: candidates that go on to the next stage, the best by cost.
        prune: of these, only those whose cost is within this factor of the best.
        gate: if the best cost is above this, the basin looks wrong: the stages so far are repeated from more
            candidates (``Settings.retries``) and the best of all attempts go on.
        voxel: voxels of the CT at this stage, in pixels' size at the isocenter.
        robust_scale: residuals beyond so many typical ones count as outliers (``Objective.robust_scale``).
        adapt: what the CT becomes before it is rendered: a trained volume network Ψ. None: the CT itself.
    """

    name: str
    size: int
    similarity: Similarity
    optimizer: Optimizer
    keep: int = 1
    prune: float = float("inf")
    gate: float = float("inf")
    voxel: float = 0.75
    robust_scale: float = 2.5
    adapt: Callable[[Volume], Volume] | None = None


def default_stages() -> tuple[Stage, ...]:
    """From many rough candidates at 32 pixels to one exact pose; gradients throughout, free of tone at the end."""
    search = LevenbergMarquardt(iterations=12, tolerance=1.0, renewal=2)
    select = LevenbergMarquardt(iterations=8, tolerance=0.5, renewal=1)
    align = LevenbergMarquardt(iterations=10, tolerance=0.2, renewal=1)
    refine = LevenbergMarquardt(iterations=20, tolerance=0.03, renewal=1)
    return (
        Stage("search", 32, GradientNCC(1.0), search, keep=5, prune=2.0),
        Stage("select", 64, GradientNCC(1.0), select, keep=3, prune=1.8),
        Stage("align", 64, ToneFreeGradient(0.7), align, keep=2, prune=1.2, gate=0.04),
        # Once the pose is near, every doubtful edge can go; sooner, a narrow tolerance would narrow the basin.
        Stage("refine", 160, ToneFreeGradient(0.7), refine, robust_scale=1.0),
    )


@dataclass(frozen=True)
class Thresholds:
    """When a result is refused.

    Attributes:
        cost: above this share of unexplained gradient, 1 - R², images are not alike (``Result.verdict_cost``). On
            simulated X-rays of a pelvis and a thorax (seeds 1000 and 2000) right poses stayed below 0.049; wrong ones
            began at 0.065, but for two that were refused because they still moved. The two overlap rarely: on other
            seeds two right poses had 0.056 and 0.061.
        overlap: the X-ray must see at least this share of its usable pixels behind the CT.
        condition: of the scaled normal equations: above, some direction is not observable.
        rival_cost: a second optimum elsewhere whose cost is within this factor makes the answer doubtful.
        rival_mm: what "elsewhere" means.
        movement_mm: a pose that moves farther in the last iterations before the limit has not come to rest.
        strayed: a pose farther from every start than so many search ranges, along or about any axis, ran away.
    """

    cost: float = 0.06
    overlap: float = 0.05
    condition: float = 1e7
    rival_cost: float = 1.15
    rival_mm: float = 10.0
    movement_mm: float = 0.3
    strayed: float = 2.0


@dataclass(frozen=True)
class Opinion:
    """A second judge of the result: another similarity, which took no part in its last stages.

    Attributes:
        stage: its similarity, and the size it looks at; nothing is optimized.
        limit: of the cost; above, the result is refused.
    """

    stage: Stage
    limit: float


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
        judge: the stage whose look at the result the verdict's limit was measured for; nothing is optimized. None: the
            stage with a gate, or the last one.
        opinion: a second judge of the result, or None.
        retries: times that a stage's gate may send the search back, each time with four times the candidates.
    """

    stages: tuple[Stage, ...] = field(default_factory=default_stages)
    candidates: int = 16
    range: SearchRange = field(default_factory=SearchRange)
    thresholds: Thresholds = field(default_factory=Thresholds)
    footprint_mm: float | None = None
    kernel: str = "auto"
    seed: int = 0
    retries: int = 2
    judge: Stage | None = None
    opinion: Opinion | None = None

    def __post_init__(self) -> None:
        if not self.stages:
            raise InputError("A registration needs at least one stage.")
        if self.candidates < 1:
            raise InputError(f"candidates is {self.candidates}: try at least 1, the start itself.")
        if self.footprint_mm is not None and not 0 < self.footprint_mm < float("inf"):
            raise InputError(f"footprint_mm is {self.footprint_mm}: give a length above 0.")


def ending_with(
    settings: Settings,
    similarity: str | None = None,
    optimizer: str | None = None,
    size: int | None = None,
    iterations: int | None = None,
) -> Settings:
    """Settings with another last stage. The verdict goes on looking as it did when its limit was measured.

    Args:
        settings: of which everything else stays.
        similarity: a name in ``similarity.SIMILARITIES``; None keeps the stage's own.
        optimizer: a name in ``optimization.OPTIMIZERS``; None keeps the stage's own.
        size: pixels along the longer side; None keeps it.
        iterations: at most so many (of BOBYQA, evaluations); None keeps their number.

    Raises:
        InputError: for a name that there is not, or a number below 1.
    """
    last = settings.stages[-1]
    changed = last
    if similarity is not None:
        changed = replace(changed, similarity=similarity_entry(similarity).make())
    if optimizer is not None:
        changed = replace(changed, optimizer=optimizer_entry(optimizer).to_refine())
    if size is not None:
        changed = replace(changed, size=size)
    if iterations is not None:
        if iterations < 1:
            raise InputError(f"The number of iterations is {iterations}: give 1 or more.")
        changed = replace(changed, optimizer=limited(changed.optimizer, iterations))
    looks_otherwise = (changed.similarity, changed.size) != (last.similarity, last.size)
    judged_by_last = settings.judge is None and (
        last.gate < float("inf") or not any(stage.gate < float("inf") for stage in settings.stages)
    )
    judge = last if looks_otherwise and judged_by_last else settings.judge
    return replace(settings, stages=(*settings.stages[:-1], changed), judge=judge)


def bone_settings(
    footprint_mm: float = 3.0,
    candidates: int = 24,
    sizes: tuple[int, int, int] = (48, 96, 192),
    kernel: str = "auto",
    seed: int = 0,
) -> Settings:
    """For one bone (labels, or a cropped CT) in an X-ray full of other anatomy; a start within some 10° and 10 mm.

    Edges of what lies over and under the bone outnumber its own. Local correlation in windows of a few pixels compares
    its shading instead; no tone curve and no gradient of the whole image does (gradients ran 20 mm astray where this
    ended within 1 mm in the plane). Windows of less than 3 pixels left many starts behind. Nothing is taken for an
    outlier: at a rough pose most of the bone would be. The cost of a right pose is far from 0: the threshold is its
    own.
    """

    def steps(iterations: int, tolerance: float) -> LevenbergMarquardt:
        return LevenbergMarquardt(iterations=iterations, damping=1e-2, tolerance=tolerance, longest_step=8.0)

    return Settings(
        stages=(
            Stage("search", sizes[0], LocalNCC((3.0,)), steps(20, 0.1), keep=8),
            Stage("align", sizes[1], LocalNCC((3.0,)), steps(20, 0.1), keep=3),
            Stage("refine", sizes[2], LocalNCC((4.0,)), steps(30, 0.03)),
        ),
        candidates=candidates,
        range=SearchRange(10.0, 10.0, 10.0),
        thresholds=Thresholds(cost=0.63),
        footprint_mm=footprint_mm,
        kernel=kernel,
        seed=seed,
    )
