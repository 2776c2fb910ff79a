"""A frame's result as plain data and back, to the last digit."""

from __future__ import annotations

import math
from dataclasses import asdict
from typing import Any

import torch

from SphericalRegLib.errors import InputError
from SphericalRegLib.registration.result import HalfWidths, Verdict
from SphericalRegLib.text_files import finite_numbers
from SphericalRegLib.tracking.track import BodyResult, FrameResult, RefinedView

_VERSION = 1


def as_record(result: FrameResult) -> dict[str, Any]:
    """Numbers, texts, lists and dictionaries; what is infinite becomes None."""
    return {
        "version": _VERSION,
        "frame": result.frame,
        "problem": result.problem,
        "origin": result.origin,
        "views": list(result.views),
        "cost": _finite(result.cost),
        "seconds": result.seconds,
        "bodies": [_of_body(body) for body in result.bodies],
        "refined": [asdict(view) for view in result.refined],
    }


def from_record(record: Any, source: str) -> FrameResult:
    """The inverse of :func:`as_record`.

    Args:
        record: of a file.
        source: what errors call it.

    Raises:
        InputError: for anything else.
    """
    if not isinstance(record, dict) or record.get("version") != _VERSION:
        raise InputError(f"{source} is no frame of a track that this program wrote: delete it to track it again.")
    try:
        return FrameResult(
            frame=int(record["frame"]),
            bodies=tuple(_body(item, source) for item in record["bodies"]),
            problem=str(record["problem"]),
            origin=str(record["origin"]),
            views=tuple(str(name) for name in record["views"]),
            cost=_number(record["cost"]),
            seconds=float(record["seconds"]),
            refined=tuple(_refined(item) for item in record["refined"]),
        )
    except (KeyError, TypeError, ValueError) as error:
        raise InputError(f"{source} is damaged ({error!r}): delete it to track this frame again.") from None


def _of_body(body: BodyResult) -> dict[str, Any]:
    known, verdict = body.half_widths, body.verdict
    return {
        "pose": body.pose.tolist(),
        "covariance": [[_finite(value) for value in row] for row in body.covariance.tolist()],
        "half_widths": [_finite(value) for value in (known.rotation_deg, known.plane_mm, known.depth_mm)],
        "accepted": verdict.accepted,
        "plane_only": verdict.plane_only,
        "reasons": list(verdict.reasons),
        "remarks": list(verdict.remarks),
        "refusals": list(verdict.refusals),
        "cost": _finite(body.cost),
        "sharpness": _finite(body.sharpness),
        "shown": list(body.shown),
    }


def _body(item: Any, source: str) -> BodyResult:
    rotation, plane, depth = (_number(value) for value in item["half_widths"])
    covariance = [[_number(value) for value in row] for row in item["covariance"]]
    return BodyResult(
        pose=torch.tensor(finite_numbers(item["pose"], (4, 4), f"{source}: 'pose'"), dtype=torch.float64),
        covariance=torch.tensor(covariance, dtype=torch.float64),
        half_widths=HalfWidths(rotation, plane, depth),
        verdict=Verdict(
            bool(item["accepted"]),
            tuple(item["reasons"]),
            tuple(item["remarks"]),
            bool(item["plane_only"]),
            tuple(item["refusals"]),
        ),
        cost=_number(item["cost"]),
        sharpness=_number(item["sharpness"]),
        shown=tuple(float(value) for value in item["shown"]),
    )


def _refined(item: Any) -> RefinedView:
    column, row = item["center_mm"]
    widths = item["center_half_widths_mm"]
    return RefinedView(
        str(item["name"]),
        float(item["focal_factor"]),
        (float(column), float(row)),
        float(item["focal_half_width"]),
        (float(widths[0]), float(widths[1])),
        tuple(str(words) for words in item["confused"]),
    )


def _finite(value: float) -> float | None:
    return value if math.isfinite(value) else None


def _number(value: Any) -> float:
    return math.inf if value is None else float(value)
