"""What every data set gives: subjects, each with a CT, points in it, and frames whose true pose is known.

Nothing large is held: a file of 2.5 GB is 3.5 GB when all of it is decoded. A CT and the pixels of a frame are read
when they are asked for, and whoever asked keeps them.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Literal, Protocol

import numpy as np
import torch
from torch import Tensor

from SphericalRegLib.geometry.view import View
from SphericalRegLib.geometry.volume import Volume
from SphericalRegLib.imaging.ct import CT
from SphericalRegLib.imaging.volume import to_volume
from SphericalRegLib.imaging.xray import XRay

#: What a CT's numbers are: Hounsfield units, or proportional to attenuation (contrast agent in vessels alone).
Density = Literal["hounsfield", "linear"]

# 1/mm for one unit of a linear density. Only its scale in the DRR, which no similarity here looks at.
_LINEAR = 2e-5


@dataclass(frozen=True)
class Frame:
    """One X-ray with its truth.

    Attributes:
        name: within its subject.
        view: of the image as :meth:`xray` gives it; ``camera_from_rig`` is the identity.
        pose: (4, 4) float64 rig_from_world, the truth.
        marks: {landmark: (column, row)}, pixels of the same image; may lie outside of it.
        read: the image, when it is called.
        flags: what the data set says of it, in words.
        notes: what was found out on reading, in sentences.
    """

    name: str
    view: View
    pose: Tensor
    marks: Mapping[str, tuple[float, float]] = field(repr=False)
    read: Callable[[], XRay] = field(repr=False)
    flags: tuple[str, ...] = ()
    notes: tuple[str, ...] = ()

    def xray(self) -> XRay:
        """The image, read now.

        Raises:
            InputError: where it cannot be read.
        """
        return self.read()


@dataclass(frozen=True)
class Subject:
    """One patient or specimen.

    Attributes:
        name: as the data set calls it.
        read_ct: the CT with its labels, when it is called.
        points: {landmark: (3,) float64 world RAS mm}.
        frames: in the order of the data set.
        density: what the CT's numbers are.
        bones: labels that move together and are registered; None: everything.
        notes: what was found out on reading, in sentences.
    """

    name: str
    read_ct: Callable[[], CT] = field(repr=False)
    points: Mapping[str, Tensor] = field(repr=False)
    frames: Sequence[Frame] = field(repr=False)
    density: Density = "hounsfield"
    bones: tuple[int, ...] | None = None
    notes: tuple[str, ...] = ()

    def ct(self) -> CT:
        """The CT, read now.

        Raises:
            InputError: where it cannot be read.
        """
        return self.read_ct()

    def volume(self, ct: CT | None = None, bones: bool = False) -> Volume:
        """What a renderer takes of the CT.

        Args:
            ct: as :meth:`ct` gave it, where it is at hand.
            bones: only the bones that are registered.

        Raises:
            InputError: where the CT cannot be read, or holds nothing.
        """
        ct = self.ct() if ct is None else ct
        if self.density == "hounsfield":
            return to_volume(ct, labels=self.bones if bones and self.bones else None)
        density = torch.from_numpy(np.maximum(ct.hu, 0)).mul(_LINEAR)[None]
        return Volume(density, torch.from_numpy(ct.world_from_voxel))

    @property
    def targets(self) -> Tensor:
        """(N, 3) float64 world mm: the points, at which errors are measured."""
        if not self.points:
            return torch.zeros(0, 3, dtype=torch.float64)
        return torch.stack(list(self.points.values()))


class Dataset(Protocol):
    """A data set on the disk."""

    @property
    def names(self) -> Sequence[str]:
        """Of its subjects."""
        ...

    @property
    def notes(self) -> Sequence[str]:
        """What is missing or unusual, in sentences."""
        ...

    def subject(self, name: str) -> Subject:
        """One of them, checked: landmarks lie on their marks.

        Raises:
            InputError: for a name that there is not, and for data that contradict themselves or the layout; the message
                names file, place and what was expected.
        """
        ...


def subjects(dataset: Dataset) -> Iterator[Subject]:
    """All of them, one after the other."""
    return map(dataset.subject, dataset.names)
