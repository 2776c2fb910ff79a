"""One registration to be done: what is known of it, whoever asks."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal, get_args

from torch import Tensor

from SphericalRegLib.errors import InputError
from SphericalRegLib.geometry.volume import Volume
from SphericalRegLib.imaging.ct import CT
from SphericalRegLib.imaging.xray import XRay
from SphericalRegLib.networks.model import Model

#: Where the intervals of a pose come from.
Uncertainty = Literal["calibrated", "simulated"]


@dataclass(frozen=True)
class Marks:
    """Landmarks in the CT and in the X-rays, joined by their names.

    Attributes:
        points: for each view {name: (x, y, z)}, world mm.
        pixels: for each view {name: (u, v)}; empty for a view without marks.
    """

    points: Sequence[Mapping[str, Any]]
    pixels: Sequence[Mapping[str, Any]]


@dataclass(frozen=True)
class Case:
    """A CT, X-rays that share one pose, and whatever the user knows of that pose.

    Attributes:
        volume: the CT's attenuation; of chosen bones alone where ``whole`` is given.
        xrays: the views, at least one.
        whole: the whole CT, where ``volume`` is of chosen bones; a model knows no other.
        poses: (4, 4) or (S, 4, 4) rig_from_world to start from.
        poses_origin: in words, where ``poses`` come from.
        preset: one of ``carm.PRESETS``.
        angles: DICOM positioner angles (primary, secondary) of the first view, degrees.
        landmarks: for a start from landmarks.
        model: a trained one.
        scan: the whole CT in Hounsfield units, which intervals by simulated X-rays need.

    Raises:
        InputError: without an X-ray, or where the start is given in more than one way.
    """

    volume: Volume
    xrays: Sequence[XRay]
    whole: Volume | None = None
    poses: Tensor | None = None
    poses_origin: str = "the given pose"
    preset: str | None = None
    angles: tuple[float, float] | None = None
    landmarks: Marks | None = None
    model: Model | None = field(default=None, repr=False)
    scan: CT | None = field(default=None, repr=False)

    def __post_init__(self) -> None:
        if not self.xrays:
            raise InputError("There is no X-ray to register to.")
        if len(self._starts) > 1:
            raise InputError(f"The start was given by {' and '.join(self._starts)}: leave all but one out.")

    @property
    def start_is_known(self) -> bool:
        """Whether the user told where to start, so that the side of the beam is known too."""
        return bool(self._starts)

    @property
    def _starts(self) -> list[str]:
        ways = {"a pose": self.poses, "a preset": self.preset, "angles": self.angles, "landmarks": self.landmarks}
        return [name for name, value in ways.items() if value is not None]


@dataclass(frozen=True)
class Conditions:
    """What changes a run but not the method.

    Attributes:
        kernel: of the renderer: a name, or "auto".
        seed: of whatever is drawn.
        tolerance_mm, tolerance_deg: what the user needs: a direction is accepted where its 95 % interval reaches no
            farther than twice as far.
        uncertainty: where the intervals come from: "calibrated" on other patients' X-rays, or "simulated" for this one
            (some seconds more).

    Raises:
        InputError: for a tolerance that is not above 0, or another uncertainty.
    """

    kernel: str = "auto"
    seed: int = 0
    tolerance_mm: float = 1.0
    tolerance_deg: float = 1.0
    uncertainty: Uncertainty = "calibrated"

    def __post_init__(self) -> None:
        for name, unit in (("tolerance_mm", "mm"), ("tolerance_deg", "degrees")):
            if not 0 < getattr(self, name) < float("inf"):
                raise InputError(f"{name} is {getattr(self, name)}: give what you need, in {unit}, above 0.")
        if self.uncertainty not in get_args(Uncertainty):
            raise InputError(f"uncertainty is {self.uncertainty!r}: choose from {', '.join(get_args(Uncertainty))}.")
