"""The initializers by name: the table from which systems in files and documents take theirs.

A new initializer is one file, and one line here.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from SphericalRegLib.initialization import (
    Angles,
    FromLandmarks,
    Given,
    Initializer,
    Known,
    OppositeSide,
    Regressed,
    Search,
)
from SphericalRegLib.initialization.dense import Heatmaps, SceneCoordinates
from SphericalRegLib.registration.whole_first import WholeFirst


@dataclass(frozen=True)
class Entry:
    """An initializer.

    Attributes:
        name: as it is typed and stored.
        title: where it starts, in words.
        make: the class.
    """

    name: str
    title: str
    make: Callable[..., Initializer]


_ENTRIES = (
    Entry("given", "a given pose", Given),
    Entry("angles", "a preset view or the C-arm's angles; else AP and PA", Angles),
    Entry("landmarks", "landmarks in CT and X-rays", FromLandmarks),
    Entry("known", "the most specific of these that is known", Known),
    Entry("regressed", "a trained model's pose", Regressed),
    Entry("heatmaps", "landmarks that a trained network finds in the X-ray", Heatmaps),
    Entry("scene-coordinates", "pixels whose place in bone a trained network tells", SceneCoordinates),
    Entry("search", "far around another initializer's starts", Search),
    Entry("whole-first", "bones where the whole CT comes to lie", WholeFirst),
    Entry("opposite-side", "another initializer's starts, and the same from the opposite side", OppositeSide),
)

#: By name, in the order in which they are offered.
INITIALIZERS: dict[str, Entry] = {entry.name: entry for entry in _ENTRIES}
