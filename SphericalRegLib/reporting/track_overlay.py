"""One frame of a track as pictures: the X-rays with the contours of all bodies, each in its color."""

from __future__ import annotations

from collections.abc import Sequence

import cv2
import numpy as np
import torch
from numpy.typing import NDArray

from SphericalRegLib.imaging.bodies import Body
from SphericalRegLib.imaging.xray import XRay
from SphericalRegLib.io.picture import to_gray
from SphericalRegLib.rendering import render
from SphericalRegLib.reporting.figures import contours
from SphericalRegLib.reporting.report import only_bone
from SphericalRegLib.tracking.track import FrameResult

#: Of bodies in their order, red, green, blue; of one that is not trusted.
COLORS = ((60, 220, 90), (255, 150, 40), (80, 170, 255), (240, 90, 200), (250, 220, 60), (120, 240, 230))
LOST_COLOR = (230, 40, 40)


def overlay(
    xray: XRay, bodies: Sequence[Body], result: FrameResult, longer: int, kernel: str = "auto"
) -> NDArray[np.uint8]:
    """(H, W, 3) an X-ray with the bodies' contours; red where a body is not trusted, none where there is no pose.

    Args:
        xray: of the frame.
        bodies: of the track.
        result: of the frame.
        longer: pixels of the picture's longer side.
        kernel: of the renderer.
    """
    scale = longer / max(xray.view.height, xray.view.width)
    view = xray.view.resized(max(8, round(xray.view.height * scale)), max(8, round(xray.view.width * scale)))
    size = (view.width, view.height)
    shrunk = np.asarray(cv2.resize(xray.image, size, interpolation=cv2.INTER_AREA), np.float32)
    usable = cv2.resize(xray.mask.astype(np.uint8), size, interpolation=cv2.INTER_NEAREST) > 0
    colored = np.repeat((0.85 * to_gray(shrunk, usable))[..., None], 3, axis=-1).astype(np.uint8)
    for place, (body, found) in enumerate(zip(bodies, result.bodies, strict=False)):
        volume = body.volume if body.excess else only_bone(body.volume)
        with torch.no_grad():
            drawn = render(volume, view, found.pose[None], samples=256, kernel=kernel)[0].sum(0)
        image = drawn.to("cpu", torch.float32).numpy()
        if float(image.max()) <= 0:
            continue
        colored[contours(image)] = COLORS[place % len(COLORS)] if found.tracked else LOST_COLOR
    return colored
