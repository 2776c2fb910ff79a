"""The systems by name: the one table from which commands, panel, evaluation, tests and documents take theirs.

A new system is one row here.
"""

from __future__ import annotations

from dataclasses import replace

from SphericalRegLib.errors import InputError
from SphericalRegLib.initialization import FromLandmarks, Given, Known, Regressed, Search, SearchRange
from SphericalRegLib.optimization.first_order import SGD, Adam
from SphericalRegLib.optimization.levenberg_marquardt import LevenbergMarquardt
from SphericalRegLib.registration.compared import compared_systems
from SphericalRegLib.registration.judging.uncertainty import Calibration
from SphericalRegLib.registration.look import Look
from SphericalRegLib.registration.survey import Survey
from SphericalRegLib.registration.system import Judge, Limits, Stage, System, learned_stage
from SphericalRegLib.registration.whole_first import WholeFirst
from SphericalRegLib.similarity import GradientNCC, LocalNCC, ToneFreeGradient

# above soft tissue, blood and contrast agent in thin vessels; below trabecular bone
_BONE_HU = 150.0
_BONE_REACH = SearchRange(10.0, 10.0, 10.0)
_FIGURE_4_ITERATIONS = 100
# the best of a survey, which has seen a thousand poses
_FAR_CANDIDATES = 32


def _windows(size: int) -> Look:
    """Correlation in windows of few pixels, where bone draws the edges."""
    return Look(LocalNCC((1.5, 3.0)), size, bone_hu=_BONE_HU)


def _edges(size: int) -> tuple[Look, Look]:
    """Gradients of everything, and bone's once more."""
    return Look(GradientNCC(1.0), size), Look(GradientNCC(1.0), size, bone_hu=_BONE_HU)


def _intensity() -> System:
    """A look around at 32 and 48 pixels, then from few candidates to one exact pose.

    A survey first: so few pixels tell which poses are worth following, but their optima may lie far off the truth, for
    what moves and what hides (skin, gas, scatter) is most of a clinical X-ray there. Its correlations err differently:
    windows of a few pixels, where bone draws the edges, are blind to what is smooth, to the tone, and to anatomy beyond
    the CT's ends; gradients tell far poses apart, and lead home from farther. So poses are followed by both. At 64
    pixels windows alone align: where the CT is a part of what is seen, narrow ones stay at the truth that gradients,
    and wider windows, leave. Depth is tried farther and nearer once more. Last come gradients free of tone. Pixels
    count by bone's share of the gradient. What right poses cost differs from picture to picture; how much less than
    their neighbors' hardly does, if windows compare them: of a part of a CT most gradients are of what it lacks.
    """
    search = LevenbergMarquardt(iterations=12, tolerance=1.0, renewal=2)
    align = LevenbergMarquardt(iterations=15, tolerance=0.2, renewal=1)
    # the rest is held while weights are: from some millimeters off, its strength follows slowly
    refine = LevenbergMarquardt(iterations=100, tolerance=0.03, renewal=1)
    edges = Look(GradientNCC(1.0), 32)
    around = Survey((_windows(32), edges), (_windows(48), *_edges(48)))
    local = Look(LocalNCC((2.0,)), 64, bone_hu=_BONE_HU)
    # the neighbors decide whether that is it: whatever right poses cost here, a step aside costs much more
    depth = Stage("depth", local, align, keep=2, prune=1.5, gate=0.0, depths_mm=(-50.0, -25.0, 25.0, 50.0))
    # at 64 pixels noise is averaged out
    judged = Look(ToneFreeGradient(0.7), 64, bone_hu=_BONE_HU)
    # what is left then is bias: scatter's veil and soft tissue's strength are what bends depth most
    last = Look(ToneFreeGradient(0.7, veil=12.0), 160, robust_scale=1.0, bone_hu=_BONE_HU, parted=True)
    stages = (
        Stage("search", _windows(48), search, keep=6, prune=2.0, also=edges),
        Stage("align", local, align, keep=4, prune=2.0),
        depth,
        # Once the pose is near, every doubtful edge can go; sooner, a narrow tolerance would narrow the basin.
        Stage("refine", last, refine),
    )
    again = (
        Stage("search", _windows(48), search, keep=12, prune=2.0, also=edges),
        Stage("align", local, align, keep=4, prune=2.0),
    )
    measured = (
        "simulated clinical X-rays of a pelvis, a thorax, a hip and an ilium around all views, half of them registered "
        "by a part of the CT (seeds 9100, 9101, 9200, 9300, 9301, 9400): right poses cost up to 0.77 (up to 0.84 at "
        "the truth); under windows poses that are right in the plane cost up to 0.58 of what poses 8 mm aside do but "
        "for five of 102 (0.63 to 0.88), 14 of 18 wrong ones from 0.67 of it, and the other four are not known exactly"
    )
    judge = Judge(
        judged,
        Limits(0.9, measured, sharpness=0.6),
        Calibration(measured=measured, depth_views_mm=0.6),
        neighbors=local,
    )
    title = "search around what is known, by intensity alone"
    return System("intensity", title, judge, stages, retries=1, again=again, survey=around)


def _bones() -> tuple[Judge, tuple[Stage, ...]]:
    """For one bone (labels, or a cropped CT) in an X-ray full of other anatomy; a start within some 10° and 10 mm.

    Edges of what lies over and under the bone outnumber its own. Local correlation in windows of a few pixels compares
    its shading instead; no tone curve and no gradient of the whole image does (gradients ran 20 mm astray where this
    ended within 1 mm in the plane). Windows of less than 3 pixels left many starts behind. Nothing is taken for an
    outlier: at a rough pose most of the bone would be.

    The limits: right poses of a vertebra and of femurs (clinical level of the simulator, ten pairs of X-rays) cost
    0.28 to 0.45 in one view and 0.33 to 0.45 in two. Wrong ones, refined from half turns, shifts and ±25°, ±25 mm (two
    pairs, 40 poses), began at 0.40 in one view, where 0.51 came next, and at 0.48 in two (5.6 mm off), where 0.62 came
    next. A bone with little over it costs less (radius and ulna 0.15 to 0.21 in two views, wrong ones 0.27 to 0.30): no
    limit of cost serves all, so rivals are what refuses wrong poses.
    """

    def steps(iterations: int, tolerance: float) -> LevenbergMarquardt:
        return LevenbergMarquardt(iterations=iterations, damping=1e-2, tolerance=tolerance, longest_step=8.0)

    def look(window: float, size: int) -> Look:
        return Look(LocalNCC((window,)), size, footprint_mm=3.0)

    stages = (
        Stage("search", look(3.0, 48), steps(20, 0.1), keep=8),
        Stage("align", look(3.0, 96), steps(20, 0.1), keep=3),
        Stage("refine", look(4.0, 192), steps(30, 0.03)),
    )
    measured = "a third lumbar vertebra and two femurs in simulated clinical X-rays, seeds 7000 to 7004"
    # not calibrated on bones of their own: all of a bone's edges count, so its noise is taken for less of a lower bound
    exactness = Calibration(3.7, 3.7, 3.7, 0.5, 0.4, 1.0, one_view_depth=False, measured="nothing yet")
    return Judge(stages[-1].look, Limits(0.5, measured, cost_views=0.53), exactness), stages


def _bodies() -> System:
    """Bones and the rest of their CT, each at its own pose: nothing is left that could mislead gradients.

    Where all of the anatomy is drawn, a bone is compared as a whole CT is, tone-free, over the whole picture, and
    pixels count by bone's share of the gradient: without, soft tissue that moved took the rest 17 mm off in one of five
    clinical pairs of X-rays, and a vertebra with it. The judge looks at what is near each body.
    """

    def steps(tolerance: float, renewal: int) -> LevenbergMarquardt:
        return LevenbergMarquardt(30, renewal=renewal, tolerance=tolerance, relative_tolerance=1e-3)

    near, align = (Look(ToneFreeGradient(0.7), size, bone_hu=_BONE_HU) for size in (64, 128))
    last = Look(ToneFreeGradient(0.7, veil=12.0), 192, robust_scale=1.0, bone_hu=_BONE_HU, parted=True)
    judged = Look(ToneFreeGradient(0.7), 64, footprint_mm=3.0, bone_hu=_BONE_HU)
    measured = (
        "a first and a fourth lumbar vertebra and a femur in ten pairs of simulated clinical X-rays and their AP views "
        "(seeds 301 to 303): right poses cost up to 0.57, and up to 0.80 of what poses 8 mm aside cost; wrong ones "
        "from 0.93 of it but for one of 0.72"
    )
    calibration = Calibration(5.0, 4.6, 3.2, 0.4, 0.2, 0.3, one_view_depth=False, measured=measured)
    return System(
        "bodies",
        "bones and the rest of their CT at once, each at its own pose, from one start",
        Judge(judged, Limits(0.7, measured, sharpness=0.9), calibration, opinion=False),
        (
            Stage("near", near, steps(0.3, 3), keep=4),
            Stage("align", align, steps(0.2, 3), keep=2),
            Stage("refine", last, steps(0.1, 2)),
        ),
        Known.around(SearchRange(5.0, 5.0, 5.0), 1),
        retries=0,
    )


def _implants() -> System:
    """Metal implants alone, near where they are expected: X-rays saturate within them, so that outlines count.

    Without saturation thickness that the X-ray does not show bends rotation by 1 to 3° (three real frames of a knee
    replacement, on two of which similarity and saturation were chosen). Not calibrated: intervals are those of bones.
    """

    def look(size: int) -> Look:
        return Look(GradientNCC(0.7), size, footprint_mm=4.0, saturation=1.0)

    optimizer = LevenbergMarquardt(40, renewal=2, damping=1e-2, tolerance=0.05, longest_step=8.0)
    calibration = Calibration(5.0, 4.6, 3.2, 0.4, 0.2, 0.3, one_view_depth=False, measured="nothing yet")
    measured = (
        "three real frames of a knee replacement, against published poses: right ones cost up to 0.21, wrong ones from "
        "starts up to 30° and 15 mm off from 0.27 but for one of 0.19, a femoral component turned by 13°"
    )
    return System(
        "implants",
        "metal implants alone, by their outlines, from one start",
        Judge(look(96), Limits(0.24, measured, sharpness=0.22), calibration, opinion=False),
        tuple(Stage(name, look(size), optimizer) for name, size in (("near", 64), ("align", 128), ("refine", 256))),
        Known.around(SearchRange(5.0, 5.0, 20.0), 1),
        retries=0,
    )


def _optimizers_of_figure_4(once: System) -> tuple[System, ...]:
    """The optimizers of the paper's Figure 4 (right) on one cost, from one start, none stopped before its time.

    Learning rates (mm a step; mm² per unit of cost) are the best of seven and of five on six other cases of the suite
    capture (``Testing/Benchmarks/paper_optimizers.py --tune``).
    """
    patience = _FIGURE_4_ITERATIONS + 1
    return tuple(
        replace(
            once,
            name=f"figure-4-{name}",
            title=f"{words} on gradient correlation at 64 pixels alone, {_FIGURE_4_ITERATIONS} iterations, one start",
            stages=(Stage("follow", Look(GradientNCC(1.0), 64), optimizer),),
        )
        for name, words, optimizer in (
            (
                "levenberg-marquardt",
                "Levenberg-Marquardt",
                LevenbergMarquardt(_FIGURE_4_ITERATIONS, tolerance=0.0, relative_tolerance=0.0),
            ),
            ("adam", "Adam", Adam(_FIGURE_4_ITERATIONS, patience=patience, learning_rate=16.0)),
            ("sgd", "gradient descent", SGD(_FIGURE_4_ITERATIONS, patience=patience, learning_rate=80.0)),
        )
    )


def _rows() -> tuple[System, ...]:
    intensity = _intensity()
    judge = intensity.judge
    model = replace(
        intensity,
        name="model",
        title="from a model's regressed pose, then by intensity; its similarity is asked for a second opinion",
        initializer=Regressed(),
    )
    learned = model.learned_first()
    bone_judge, bone_stages = _bones()
    bones = System("bones", "chosen bones alone", bone_judge, bone_stages, Known.around(_BONE_REACH, 24), rivals=True)
    once = replace(intensity, initializer=Known.around(SearchRange(), 1), retries=0, again=())
    by_similarity = System(
        "learned-similarity",
        "the learned similarity alone, from one start (Chen and Kong, WACV 2026)",
        judge,
        (learned_stage(),),
        Known.around(SearchRange(), 1),
        retries=0,
    )

    def paper(name: str, title: str, *losses: str) -> System:
        return replace(by_similarity, name=name, title=title, stages=(learned_stage(losses),))

    return (
        intensity,
        model,
        replace(
            learned, name="learned-first", title="from a model's regressed pose, by its similarity, then by intensity"
        ),
        bones,
        replace(
            bones,
            name="bones-model",
            title="the whole CT by its model first, then chosen bones",
            initializer=WholeFirst(by=model),
        ),
        _bodies(),
        _implants(),
        # presets of the panel
        replace(
            intensity,
            name="near",
            title="close around a given pose",
            initializer=Known.around(SearchRange(5.0, 10.0, 20.0), 4),
        ),
        replace(intensity, name="landmarks", title="from landmarks, then by intensity", initializer=FromLandmarks()),
        replace(
            intensity, name="search", title="far around what is known", initializer=Search(candidates=_FAR_CANDIDATES)
        ),
        replace(
            bones,
            name="bones-near",
            title="chosen bones, close around a given pose",
            initializer=Known.around(SearchRange(4.0, 5.0, 10.0), 8),
        ),
        replace(
            bones,
            name="bones-landmarks",
            title="chosen bones, from landmarks",
            initializer=FromLandmarks(SearchRange(6.0, 8.0, 10.0), 16),
        ),
        replace(
            bones,
            name="bones-search",
            title="chosen bones, far around what is known",
            initializer=Search(SearchRange(20.0, 30.0, 60.0), 96),
        ),
        # what the parts do by themselves
        replace(once, name="one-start", title="by intensity from one start, no search"),
        replace(intensity, name="no-retries", title="search by intensity, without a second try", retries=0, again=()),
        System("start-only", "the given pose as it is", judge, (), Given(SearchRange(), 1)),
        System(
            "landmarks-only",
            "perspective-n-point on landmarks, no alignment",
            judge,
            (),
            FromLandmarks(SearchRange(), 1),
        ),
        System(
            "regressor-only",
            "a model's regressed pose, or what the user tells where that fits better, as it is",
            judge,
            (),
            Regressed(SearchRange(), 1, opposite=False),
        ),
        replace(
            once,
            name="regressed-one-start",
            title="from a model's regressed pose by intensity, no search",
            initializer=Regressed(SearchRange(), 1, otherwise=Known.around(SearchRange(), 1)),
        ),
        replace(
            once.learned_first(),
            name="learned-one-start",
            title="by a model's similarity, then by intensity, from one start",
        ),
        replace(
            once.learned_first(),
            name="learned-8-starts",
            title="by a model's similarity, then by intensity, from 8 starts",
            initializer=Known.around(SearchRange(), 8),
        ),
        replace(
            intensity.learned_first(),
            name="search-learned-first",
            title="search by a model's similarity, then by intensity",
        ),
        # the paper's
        *_optimizers_of_figure_4(once),
        by_similarity,
        paper(
            "paper-so4",
            "as published: encoders trained by the SO(4) gradient, spherical, Levenberg-Marquardt, one start",
            "gradient so4",
            "gradient so4 projected",
        ),
        paper(
            "paper-se3",
            "as published: encoders trained by the se(3) gradient, spherical, Levenberg-Marquardt, one start",
            "gradient se3",
        ),
        # others', that a study compares it with
        *compared_systems(judge),
    )


#: By name, in the order in which they are offered.
SYSTEMS: dict[str, System] = {system.name: system for system in _rows()}


def system_named(name: str) -> System:
    """A system by its name.

    Raises:
        InputError: for one that there is not; the message lists those that there are.
    """
    if name not in SYSTEMS:
        raise InputError(f"There is no system {name!r}: choose from {', '.join(SYSTEMS)}, or name a YAML file.")
    return SYSTEMS[name]


def default_system(bones: bool = False, model: bool = False) -> System:
    """What runs where nobody chooses.

    Args:
        bones: whether only chosen bones are registered.
        model: whether there is a trained model.
    """
    return SYSTEMS[f"bones{'-model' if model else ''}" if bones else "model" if model else "intensity"]
