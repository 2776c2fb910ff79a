"""Accept or reject a pose, with reasons that a clinician can read."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor

from SphericalRegLib.initialization import Conditions
from SphericalRegLib.optimization.state import pose_distance, pose_scale
from SphericalRegLib.registration.judging.sharpness import ASIDE_MM
from SphericalRegLib.registration.result import HalfWidths, Verdict
from SphericalRegLib.registration.system import Judge
from SphericalRegLib.similarity.table import similarity_title
from SphericalRegLib.similarity.tone_free import ToneFreeGradient

# A 95 % interval of twice the tolerance leaves errors of three tolerances to one case in hundreds.
_REACH = 2.0


def judge(
    pose: Tensor,
    cost: float,
    overlap: float,
    curvature: Tensor,
    rivals: Sequence[tuple[Tensor, float]],
    movement_mm: float,
    strayed: float,
    leeway: float,
    center: Tensor,
    length: float,
    by: Judge,
    known: HalfWidths,
    of_images: HalfWidths,
    needed: Conditions,
    sharp: float = 0.0,
) -> Verdict:
    """The verdict on a pose.

    Args:
        pose: (4, 4).
        cost: under the judge's look.
        overlap: share of usable pixels that the CT covers.
        curvature: (6, 6) of the last stage's cost.
        rivals: (pose, cost) of other optima at the same stage, and the pose's own first.
        movement_mm: over the last iterations; 0 where the optimizer came to rest.
        strayed: how far the pose lies from the nearest start, in search ranges; 0 where nothing was searched.
        leeway: how far it may.
        center, length: of the problem.
        by: when to refuse, and what the cost means.
        known: 95 % intervals of the pose.
        of_images: what they would be, were the views' geometry exact.
        needed: tolerances.
        sharp: the pose's cost over the lowest 8 mm aside.
    """
    limits = by.limits
    reasons, remarks = list[str](), tuple[str, ...]()
    if overlap < limits.overlap:
        reasons.append(
            f"No overlap: only {100 * overlap:.0f} % of the X-ray's usable pixels lie behind the CT. Start closer."
        )
    if limits.cost is None:
        title = similarity_title(by.look.similarity)
        remarks = (f"Similarity was not judged: what right poses cost under {title} was not measured.",)
    elif not cost <= limits.cost:
        reasons.append(_weak(cost, limits.cost, by))
    if limits.sharpness is not None and not sharp <= limits.sharpness:
        reasons.append(
            f"No clear match: poses {ASIDE_MM:g} mm aside explain the X-ray about as well (cost ratio {sharp:.2f}, "
            f"limit {limits.sharpness:g}). Wrong pose, CT or geometry, or too little of the X-ray is usable."
        )
    if condition_number(curvature, length) > limits.condition:
        reasons.append("Ill-conditioned: the image does not fix all six parameters of the pose.")
    if rivals:
        own = rivals[0][1]
        for other, price in rivals[1:]:
            apart = float(pose_distance(other[None], pose[None], center, length)[0])
            if apart > limits.rival_mm and price < limits.rival_cost * own:
                reasons.append(
                    f"Disagreeing starts: a pose {apart:.0f} mm away fits almost as well ({price:.3f} against "
                    f"{own:.3f})."
                )
                break
    if movement_mm > limits.movement_mm:
        reasons.append(f"Iteration limit: the pose still moved {movement_mm:.1f} mm over the last iterations.")
    if strayed > leeway:
        reasons.append(
            f"Left the search: the pose lies {strayed:.1f} times the search range from where it started. Start closer, "
            "or search farther."
        )
    return weighed(tuple(reasons), remarks, known, of_images, needed)


def weighed(
    refusals: tuple[str, ...], remarks: tuple[str, ...], known: HalfWidths, of_images: HalfWidths, needed: Conditions
) -> Verdict:
    """The verdict, direction by direction, of what is known of a pose.

    Args:
        refusals: why it is refused whatever is known.
        remarks: what could not be judged.
        known, of_images, needed: as of :func:`judge`.
    """
    doubts = _doubts(
        ("rotation", known.rotation_deg, of_images.rotation_deg, needed.tolerance_deg, "°"),
        ("the place in the plane", known.plane_mm, of_images.plane_mm, needed.tolerance_mm, " mm"),
    )
    depth = _doubts(("depth", known.depth_mm, of_images.depth_mm, needed.tolerance_mm, " mm"))
    told = (*refusals, *doubts, *depth)
    plane_only = bool(depth) and not refusals and not doubts
    return Verdict(not told, told, remarks, plane_only, refusals)


def _doubts(*directions: tuple[str, float, float, float, str]) -> list[str]:
    """Of each direction that is not known as exactly as the user needs it, that it is not."""
    return [told for told in (_unknown(*direction) for direction in directions) if told]


def _unknown(direction: str, width: float, of_images: float, tolerance: float, unit: str) -> str:
    """That a direction is not known as exactly as the user needs it; empty where it is."""
    if width <= _REACH * tolerance:
        return ""
    if not width < float("inf"):
        return f"Not known from this view: {direction}."
    told = f"Not exact enough: {direction} is known to ±{width:.2g}{unit} (95 %), the tolerance is {tolerance:g}{unit}."
    if of_images <= _REACH * tolerance:
        told += (
            f" It would be ±{of_images:.2g}{unit}, were the X-ray's geometry exact: say how well it is known "
            "(geometry_tolerance=; 1 % of what was typed, where nothing is said)."
        )
    return told


def _weak(cost: float, limit: float, by: Judge) -> str:
    """That the images are not alike enough, in terms of what the cost means."""
    if isinstance(by.look.similarity, ToneFreeGradient):
        measured = f"{100 * cost:.0f} % of the image structure is unexplained (limit {100 * limit:.0f} %)"
    else:
        measured = f"the cost under {similarity_title(by.look.similarity)} is {cost:.2g} (limit {limit:.2g})"
    return f"Weak similarity: {measured}. Wrong pose, wrong CT or wrong geometry."


def condition_number(curvature: Tensor, length: float) -> float:
    """Of a cost's second derivative (6, 6) with rotations scaled by ``length`` mm; infinite if singular."""
    per_mm = 1 / pose_scale(length)
    values = torch.linalg.eigvalsh(curvature * per_mm * per_mm[:, None])
    return float(values[-1] / values[0]) if float(values[0]) > 0 else float("inf")
