"""Whether a frame's true pose puts the landmarks where they are marked. Data for which it does not are refused.

A pose read the other way round, a mirrored image or a flipped axis still gives plausible pictures; landmarks tell.
"""

from __future__ import annotations

from collections.abc import Mapping

import torch
from torch import Tensor

from SphericalRegLib.errors import InputError
from SphericalRegLib.geometry import se3
from SphericalRegLib.geometry.view import View

#: Pixels: farther off than this is not rounding.
LIMIT_PX = 1.0


def farthest_px(
    view: View, pose: Tensor, points: Mapping[str, Tensor], marks: Mapping[str, tuple[float, float]]
) -> tuple[float, str]:
    """The largest distance in pixels between a projected landmark and its mark, and whose it is.

    Infinite for a landmark that would lie behind the source; 0 and "" where nothing is marked.
    """
    names = [name for name in marks if name in points]
    if not names:
        return 0.0, ""
    world = torch.stack([points[name] for name in names]).double()
    wanted = torch.tensor([marks[name] for name in names], dtype=torch.float64)
    depth = se3.transform_points(view.camera_from_world(pose), world)[:, 2]
    off = (view.project(world, pose) - wanted).norm(dim=-1)
    off = torch.where(depth > 0, off, torch.inf).nan_to_num(nan=torch.inf, posinf=torch.inf)
    worst = int(off.argmax())
    return float(off[worst]), names[worst]


def check_marks(
    where: str,
    view: View,
    pose: Tensor,
    points: Mapping[str, Tensor],
    marks: Mapping[str, tuple[float, float]],
) -> float:
    """See that all landmarks lie on their marks.

    Args:
        where: file and place, for the error.
        view, pose: of the frame.
        points: {name: (3,) world mm}.
        marks: {name: (column, row)}.

    Returns:
        the largest distance, pixels.

    Raises:
        InputError: beyond :data:`LIMIT_PX`; the message says what else would fit, where something does.
    """
    off, name = farthest_px(view, pose, points, marks)
    if off <= LIMIT_PX:
        return off
    raise InputError(
        f"{where}: the landmark {name!r} projects {off:.1f} pixels from its mark, {LIMIT_PX:g} is the limit: the pose "
        f"is no truth for this image.{_what_fits(view, pose, points, marks)}"
    )


def _what_fits(view: View, pose: Tensor, points: Mapping[str, Tensor], marks: Mapping[str, tuple[float, float]]) -> str:
    """A sentence that names the usual mistake, where undoing it makes the marks fit."""
    width, height = view.width - 1, view.height - 1
    swapped = {name: torch.flip(point, [0]) for name, point in points.items()}
    lps = {name: point * torch.tensor([-1.0, -1.0, 1.0], dtype=point.dtype) for name, point in points.items()}
    tried = {
        "with the pose's inverse": farthest_px(view, se3.inverse(pose), points, marks),
        "turned by 180°": farthest_px(view, pose, points, {n: (width - u, height - v) for n, (u, v) in marks.items()}),
        "mirrored left to right": farthest_px(view, pose, points, {n: (width - u, v) for n, (u, v) in marks.items()}),
        "mirrored top to bottom": farthest_px(view, pose, points, {n: (u, height - v) for n, (u, v) in marks.items()}),
        "as (row, column)": farthest_px(view, pose, points, {n: (v, u) for n, (u, v) in marks.items()}),
        "with the points' axes in reverse order": farthest_px(view, pose, swapped, marks),
        "with the points taken as LPS": farthest_px(view, pose, lps, marks),
    }
    fitting = [words for words, (off, _) in tried.items() if off <= LIMIT_PX]
    return f" The marks would fit {fitting[0]}." if fitting else " Is the file whole, and of this layout?"
