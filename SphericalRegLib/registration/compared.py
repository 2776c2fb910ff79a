"""Other groups' methods as rows of the table of systems: what a study compares ours with.

Numbers are those of the papers and of their authors' published settings; where both are silent they are ours, and the
study prints them under its tables (``app/study/rows.py``). All are judged as whole CTs are.
"""

from __future__ import annotations

import math

from SphericalRegLib.initialization import Initializer, Known, Regressed, SearchRange
from SphericalRegLib.initialization.dense import Heatmaps, SceneCoordinates
from SphericalRegLib.optimization.first_order import SGD, Adam
from SphericalRegLib.optimization.levenberg_marquardt import LevenbergMarquardt
from SphericalRegLib.optimization.problem import Optimizer
from SphericalRegLib.optimization.sampling import BOBYQA, CMAES
from SphericalRegLib.registration.look import Look
from SphericalRegLib.registration.system import Judge, Stage, System, learned_stage
from SphericalRegLib.registration.trained import Trained
from SphericalRegLib.similarity import GradientNCC, Mixed

_DIFFPOSE_STEPS, _PROST_STEPS, _UNSCALED_STEPS = 500, 500, 200
# a rest of 30 iterations is our optimizers' own; the papers' go on
_NEVER = 10_000


def compared_systems(judge: Judge) -> tuple[System, ...]:
    """The rows, with the verdict of whole CTs."""
    given = Known.around(SearchRange(), 1)
    regressed = Regressed(SearchRange(), 1, opposite=False)

    def one(name: str, title: str, *stages: Stage, start: Initializer = given) -> System:
        return System(name, title, judge, stages, start, retries=0)

    patches = Look(Mixed(), 128)
    gradients = Stage(
        "gradients", Look(GradientNCC(1.0), 128), _sgd(learning_rate=2.0, rotation_rate=2e-4, spread=1e-4, window=10)
    )

    def by_network(name: str, title: str, network: str) -> System:
        return one(name, title, Stage("network", Look(Trained(network=network), 0), _unscaled()), gradients)

    squares = Look(Trained(network="prost-m", squares=True), 0)
    descent = SGD(200, patience=_NEVER, learning_rate=200.0)
    return (
        one(
            "bobyqa",
            "BOBYQA on the correlation of images and patches at 256 pixels, one start (Powell 2009)",
            Stage("follow", Look(Mixed(), 256), BOBYQA(evaluations=500, size=10.0, reach=80.0)),
        ),
        one(
            "bobyqa-gradients",
            "BOBYQA on gradient correlation at 64, 128 and 256 pixels, one start",
            *(
                Stage(name, Look(GradientNCC(1.0), size), BOBYQA(evaluations=170, size=step, reach=reach))
                for name, size, step, reach in (
                    ("coarse", 64, 10.0, 80.0),
                    ("near", 128, 4.0, 20.0),
                    ("fine", 256, 1.5, 8.0),
                )
            ),
        ),
        one(
            "cma-es",
            "CMA-ES on the correlation of images and patches at 128 pixels, one start (Hansen 2016)",
            Stage("follow", patches, CMAES(60, size=15.0)),
        ),
        one(
            "dflnet",
            "landmarks that a network's heatmaps show, perspective-n-point alone (DFLNet)",
            start=Heatmaps(SearchRange()),
        ),
        one(
            "scr-reg",
            "pixels whose place in bone a network tells, perspective-n-point alone (SCR-reg)",
            start=SceneCoordinates(SearchRange()),
        ),
        one(
            "diffpose",
            "from a model's regressed pose by Adam on the correlation of images and patches (DiffPose)",
            Stage("refine", patches, _diffpose_adam()),
            start=regressed,
        ),
        one(
            "diffpose-lm",
            "DiffPose's start and cost, by Levenberg-Marquardt",
            Stage("refine", patches, LevenbergMarquardt(50, tolerance=0.03)),
            start=regressed,
        ),
        one(
            "regressed-se3",
            "from a model's regressed pose by its similarity, trained by the se(3) gradient",
            learned_stage(("gradient se3",)),
            start=regressed,
        ),
        one(
            "regressed-so4",
            "from a model's regressed pose by its similarity, trained by the SO(4) gradient",
            learned_stage(("gradient so4", "gradient so4 projected")),
            start=regressed,
        ),
        one(
            "learned-sgd",
            "the learned similarity alone by gradient descent, from one start",
            Stage("learned", Look(Trained(), 0), descent),
        ),
        by_network("prost-m", "ProST-m: two encoders' features by first-order steps, then gradients", "prost-m"),
        one(
            "prost-m-lm",
            "ProST-m's features by Levenberg-Marquardt, then gradients",
            Stage("network", squares, LevenbergMarquardt(30, tolerance=1.0)),
            gradients,
        ),
        by_network("prost-t", "ProST-t: a CrossViT's number by first-order steps, then gradients", "prost-t"),
        one(
            "sopi",
            "SOPI's fine stage: features of three levels by first-order steps",
            Stage("network", Look(Trained(network="sopi"), 0), _unscaled()),
        ),
        one(
            "cdreg",
            "CDreg: global and local features apart by first-order steps",
            Stage("network", Look(Trained(network="cdreg"), 0), _unscaled()),
        ),
    )


def _diffpose_adam() -> Optimizer:
    """7.5e-3 rad and 7.5 mm, times 0.9 every 25 steps."""
    return Adam(
        _DIFFPOSE_STEPS,
        decay=0.9 ** (1 / 25),
        patience=_NEVER,
        learning_rate=7.5,
        rotation_rate_deg=math.degrees(7.5e-3),
        betas=(0.9, 0.999),
    )


def _unscaled() -> Optimizer:
    """Adam from 3 mm a step: a network that was trained by its gradient's directions has no scale that steps of
    gradient descent, or a spread of costs at which to end, could be set by."""
    return Adam(_UNSCALED_STEPS, decay=0.98, patience=_NEVER, learning_rate=3.0)


def _sgd(learning_rate: float, rotation_rate: float, spread: float, window: int) -> Optimizer:
    """Momentum 0.9, at most 500 steps, until the last costs hardly differ."""
    return SGD(
        _PROST_STEPS,
        spread=spread,
        window=window,
        patience=_NEVER,
        learning_rate=learning_rate,
        rotation_rate=rotation_rate,
        momentum=0.9,
    )
