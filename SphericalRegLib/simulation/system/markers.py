"""Letters in a picture: side markers of lead in the beam, and text that a workstation burns in."""

from __future__ import annotations

import numpy as np

from SphericalRegLib.errors import InputError
from SphericalRegLib.geometry.view import View
from SphericalRegLib.simulation.instruments import Wire

# Strokes in a box of width 0.6 and height 1, y down.
_STROKES: dict[str, tuple[tuple[tuple[float, float], ...], ...]] = {
    "L": (((0, 0), (0, 1), (0.6, 1)),),
    "R": (((0, 1), (0, 0), (0.45, 0), (0.6, 0.12), (0.6, 0.38), (0.45, 0.5), (0, 0.5)), ((0.25, 0.5), (0.6, 1))),
    "A": (((0, 1), (0.3, 0), (0.6, 1)), ((0.12, 0.62), (0.48, 0.62))),
    "P": (((0, 1), (0, 0), (0.45, 0), (0.6, 0.12), (0.6, 0.38), (0.45, 0.5), (0, 0.5)),),
    "1": (((0.1, 0.2), (0.35, 0), (0.35, 1)),),
    "2": (((0, 0.15), (0.2, 0), (0.45, 0), (0.6, 0.2), (0.55, 0.45), (0, 1), (0.6, 1)),),
    "4": (((0.45, 1), (0.45, 0), (0, 0.65), (0.6, 0.65)),),
    "7": (((0, 0), (0.6, 0), (0.2, 1)),),
}


def lettering(
    text: str, corner: tuple[float, float], height: float, angle: float = 0.0, transmission: float = 0.0
) -> tuple[Wire, ...]:
    """Letters as strokes.

    Args:
        text: of L, R, A, P, 1, 2, 4 and 7.
        corner: (u, v) pixels, the upper left one.
        height: of a letter, pixels.
        angle: radians, that the line of letters is turned by.
        transmission: of the beam, through the strokes.

    Raises:
        InputError: for another letter.
    """
    if missing := sorted(set(text) - set(_STROKES)):
        raise InputError(f"There are no strokes for {', '.join(missing)}: use {', '.join(_STROKES)}.")
    c, s = np.cos(angle), np.sin(angle)
    wires = []
    for n, letter in enumerate(text):
        for stroke in _STROKES[letter]:
            x, y = (height * (np.array(stroke) + (0.9 * n, 0))).T
            points = tuple(zip((corner[0] + c * x - s * y).tolist(), (corner[1] + s * x + c * y).tolist(), strict=True))
            wires.append(Wire(points, max(0.14 * height, 0.8), transmission))
    return tuple(wires)


def random_marker(rng: np.random.Generator, view: View) -> tuple[Wire, ...]:
    """A lead letter 12 to 25 mm high near an edge of the image, turned by up to 15°."""
    height = rng.uniform(12, 25) / view.spacing[0]
    return _near_an_edge(rng, view, str(rng.choice(["L", "R"])), height, np.deg2rad(rng.uniform(-15, 15)), 0.03)


def random_text(rng: np.random.Generator, view: View) -> tuple[Wire, ...]:
    """Burnt-in text of one to four characters, 3 to 5 % of the image high, near an edge."""
    text = "".join(rng.choice(list(_STROKES), rng.integers(1, 5)))
    return _near_an_edge(rng, view, text, rng.uniform(0.03, 0.05) * view.height, 0.0, 0.0)


def _near_an_edge(
    rng: np.random.Generator, view: View, text: str, height: float, angle: float, transmission: float
) -> tuple[Wire, ...]:
    extent = height * np.array([0.9 * len(text), 1.0])
    room = np.maximum(np.array([view.width, view.height]) - extent, 0)
    place = rng.uniform(0.04, 0.96, 2)
    # along one axis at one of its ends
    place[rng.integers(2)] = rng.choice([rng.uniform(0.03, 0.12), rng.uniform(0.88, 0.97)])
    corner = place * room
    return lettering(text, (float(corner[0]), float(corner[1])), float(height), float(angle), transmission)
