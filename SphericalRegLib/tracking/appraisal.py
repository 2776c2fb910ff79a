"""What is to be said of a body's pose in a frame: how exactly it is known, and whether it is right at all."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import replace

import torch
from torch import Tensor

from SphericalRegLib.errors import InputError
from SphericalRegLib.imaging.bodies import REST
from SphericalRegLib.initialization import Conditions
from SphericalRegLib.optimization.prior import MotionPrior, Prior, variance_of
from SphericalRegLib.registration.judging.geometry_doubt import geometry_covariance
from SphericalRegLib.registration.judging.rivals import Shaft
from SphericalRegLib.registration.judging.sharpness import ASIDE_MM, sharpness
from SphericalRegLib.registration.judging.uncertainty import (
    NORMAL_HALF_WIDTH,
    Calibration,
    standard_deviations,
    widened,
)
from SphericalRegLib.registration.judging.verdict import weighed
from SphericalRegLib.registration.result import HalfWidths
from SphericalRegLib.registration.system import Judge
from SphericalRegLib.rendering import render
from SphericalRegLib.similarity.weights import footprint
from SphericalRegLib.tracking.body_levels import BodyLevels, OneMoving
from SphericalRegLib.tracking.joint import Aligned
from SphericalRegLib.tracking.track import BodyResult

# A body of which no view shows more than this share is out of the field.
_FEWEST_SHOWN = 0.3
# The rest of a CT is known as whole CTs are.
_OF_WHOLE = Calibration(depth_views_mm=0.6)
# Of what one view alone leaves open, the noise's deviation says nothing.
_NOTHING_KNOWN = 1e4


def appraised(
    levels: BodyLevels, aligned: Aligned, neighborly: Sequence[Prior], by: Judge, needed: Conditions
) -> tuple[BodyResult, ...]:
    """The bodies' results.

    Args:
        levels: of the frame.
        aligned: where the bodies came to lie.
        neighborly: priors that hold whatever the frames before say: those relative to neighbors. What one frame adds to
            another is no knowledge of this frame.
        by: the judge; its look is given a footprint, as each body is judged by what is near it.
        needed: tolerances.
    """
    return tuple(_body(place, levels, aligned, neighborly, by, needed) for place in range(len(levels.bodies)))


def _body(
    place: int, levels: BodyLevels, aligned: Aligned, neighborly: Sequence[Prior], by: Judge, needed: Conditions
) -> BodyResult:
    views = [xray.view for xray in levels.xrays]
    pose, body = aligned.poses[place], levels.bodies[place]
    shown = tuple(_shown(levels, aligned, place))
    cost, sharp = _likeness(levels, aligned, place, by)
    calibration = _OF_WHOLE if body.name == REST else by.calibration
    of_images = half_widths(aligned, place, neighborly, calibration, len(views) == 1)
    slides = all(other.name != REST for other in levels.bodies) and Shaft.of(body.volume) is not None
    if slides:
        # a radius and an ulna in real X-rays looked right 12 to 19 mm along the shaft
        of_images = replace(of_images, rotation_deg=math.inf, plane_mm=math.inf)
    known = widened(of_images, geometry_covariance(body.volume, views, pose), views[0])
    refusals = list[str]()
    # what is left of a CT may well reach beyond the X-ray
    fewest = by.limits.overlap if body.name == REST else _FEWEST_SHOWN
    if max(shown) < fewest:
        refusals.append(
            f"Out of the field: no view shows more than {100 * max(shown):.0f} % of {body.name} on usable pixels."
        )
    limits = by.limits.of_views(len(views))
    if limits.cost is not None and not cost <= limits.cost:
        refusals.append(
            f"Weak similarity: {100 * cost:.0f} % of the image structure near {body.name} is unexplained (limit "
            f"{100 * limits.cost:.0f} %)."
        )
    if limits.sharpness is not None and not sharp <= limits.sharpness:
        refusals.append(
            f"No clear match: {body.name} {ASIDE_MM:g} mm aside explains the X-ray about as well (cost ratio "
            f"{sharp:.2f}, limit {limits.sharpness:g})."
        )
    if aligned.movement_mm > limits.movement_mm:
        refusals.append(f"Iteration limit: a body still moved {aligned.movement_mm:.1f} mm over the last iterations.")
    partly = [
        f"Of {body.name} {view.name} shows {100 * share:.0f} %."
        for view, share in zip(views, shown, strict=True)
        if share < 1 - _FEWEST_SHOWN and body.name != REST
    ]
    if slides:
        partly.append(
            f"{body.name} is a tube without its surroundings: nothing tells whether it lies farther along, or is "
            "turned about, its long axis. Look at the overlay, or give the rest of its CT as well."
        )
    verdict = weighed(tuple(refusals), tuple(partly), known, of_images, needed)
    own = joint_covariance(aligned, neighborly, 1.0)[6 * place : 6 * place + 6, 6 * place : 6 * place + 6]
    return BodyResult(pose, own, known, verdict, cost, sharp, shown)


def joint_covariance(aligned: Aligned, priors: Sequence[Prior], inflation: float) -> Tensor:
    """(P, P) of all bodies' twists about their isocenters, rig axes, rad and mm, and of refined calibrations behind.

    Args:
        aligned: with the images' normal equations.
        priors: that count as knowledge, those of refined calibrations among them.
        inflation: of the noise's standard deviation: a prior weighs the more, the less the images are believed.
    """
    assert aligned.model.curvature is not None, "bodies are aligned by sums of squares"
    variance = float(variance_of(aligned.model)[0]) * inflation**2
    information = aligned.model.curvature[0] / 2 / variance
    for prior in priors:
        _, derivative = prior.linearize(aligned.state)
        information = information + derivative[0].T @ prior.information @ derivative[0]
    # counted in mm, so that the inverse of a direction that nobody knows is no rounding
    scale = aligned.state.scale
    per_mm = information / scale / scale[:, None]
    return torch.linalg.pinv(per_mm, hermitian=True, rtol=1e-14) / scale / scale[:, None]


def half_widths(
    aligned: Aligned, place: int, priors: Sequence[Prior], calibration: Calibration, one_view: bool
) -> HalfWidths:
    """95 % intervals of one body in the first view's directions, whatever is not known of the others.

    Each direction has its own factor from noise to error (``Calibration``); priors are exact, so that the factor goes
    into the images' noise and not onto the result.
    """
    unknown = one_view and not calibration.one_view_depth
    if unknown and not any(isinstance(prior, MotionPrior) and prior.body == place for prior in priors):
        depth = math.inf
    else:
        depth = _deviation(aligned, place, priors, _NOTHING_KNOWN if unknown else calibration.depth, "depth_mm")
    return HalfWidths(
        math.hypot(calibration.rotation_deg, _deviation(aligned, place, priors, calibration.rotation, "rotation_deg")),
        math.hypot(calibration.plane_mm, _deviation(aligned, place, priors, calibration.plane, "plane_mm")),
        math.hypot(calibration.bias_of_depth(1 if one_view else 2), depth),
    )


def _deviation(aligned: Aligned, place: int, priors: Sequence[Prior], factor: float, direction: str) -> float:
    block = slice(6 * place, 6 * place + 6)
    covariance = joint_covariance(aligned, priors, factor / NORMAL_HALF_WIDTH)[block, block]
    deviations = standard_deviations(covariance, aligned.objective.views[0].view)
    return NORMAL_HALF_WIDTH * float(getattr(deviations, direction))


def _likeness(levels: BodyLevels, aligned: Aligned, place: int, by: Judge) -> tuple[float, float]:
    """The cost near a body as the judge looks, and its sharpness; infinite where nothing can be compared."""
    held = {other: pose for other, pose in enumerate(aligned.poses) if other != place}
    look = by.look if by.look.footprint_mm is not None else replace(by.look, footprint_mm=3.0)
    try:
        objective = OneMoving(levels.objective(look, [place], held))
    except InputError:
        # nothing but masked or constant pixels near the body: it is judged as not seen
        return math.inf, math.inf
    pose = aligned.poses[place]
    model, _ = objective.renew(objective.linearize(objective.state(pose[None]), jacobian=False))
    return float(model.cost[0]), sharpness(objective, pose, levels.xrays[0].view)


def _shown(levels: BodyLevels, aligned: Aligned, place: int) -> list[float]:
    """Of each view, the share of a body's picture that falls on usable pixels."""
    shares = []
    body = aligned.objective.bodies[place]
    for item in aligned.objective.views:
        view = item.view
        # as much around the image as it has itself, so that what lies beyond counts too
        wide = view.cropped(-view.height, -view.width, 3 * view.height, 3 * view.width)
        image = render(body.volume, wide, aligned.poses[place][None], samples=body.samples)[0].sum(0)
        covered = footprint(image[None], 0)[0]
        inside = covered[view.height : 2 * view.height, view.width : 2 * view.width] * (item.fixed.support > 0)
        shares.append(float(inside.sum() / covered.sum().clamp(min=1)))
    return shares
