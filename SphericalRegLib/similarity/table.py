"""The similarities by name: the one table from which commands, panel, landscapes, tests and documents take theirs.

A new similarity is one file, and one line here. The table needs no torch: classes are imported when they are used.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING

from SphericalRegLib.errors import InputError
from SphericalRegLib.on_demand import on_demand

if TYPE_CHECKING:
    from SphericalRegLib.similarity.contract import Similarity


@dataclass(frozen=True)
class Entry:
    """A similarity of intensities.

    Attributes:
        name: as it is typed and stored.
        title: as it is shown.
        place: of the class: its file in this folder, and its name.
        meaning: of its cost, in words that complete "the cost is ...".
        former: names that older scenes, settings and scripts may hold.
    """

    name: str
    title: str
    place: str
    meaning: str
    former: tuple[str, ...] = ()

    @property
    def make(self) -> Callable[..., Similarity]:
        """The class; without arguments it gives the parameters that registration uses."""
        found: Callable[..., Similarity] = on_demand("SphericalRegLib.similarity", self.place)
        return found


_ENTRIES = (
    Entry(
        "tone-free",
        "Tone-free gradient",
        "tone_free.ToneFreeGradient",
        "1 − R², the share of the DRR's gradients that the X-ray's do not explain, whatever the tone curve",
        ("tone-free gradient",),
    ),
    Entry(
        "gradient-ncc",
        "Gradient NCC",
        "ncc.GradientNCC",
        "2 − 2 NCC of the gradients, the mean over both components; from 0 to 4",
        former=("gradient NCC",),
    ),
    Entry(
        "local-ncc",
        "Local NCC",
        "ncc.LocalNCC",
        "the mean square difference of shading, standardized in small windows; about 2 − 2 NCC",
        former=("local NCC",),
    ),
    Entry("ncc", "NCC", "ncc.NCC", "2 − 2 NCC of the values; from 0 to 4", former=("NCC",)),
    Entry(
        "mutual-information",
        "Mutual information",
        "mutual_information.MutualInformation",
        "1 − I/H, the share of the X-ray's information that the DRR does not tell",
    ),
    Entry(
        "patch-ncc",
        "Patch NCC",
        "patch_ncc.PatchNCC",
        "2 − 2 NCC of square patches, the mean over all of them; flat ones count less",
    ),
    Entry("mixed", "NCC and patch NCC", "mixed.Mixed", "half of 2 − 2 NCC, half of the same in all patches"),
)

#: By name, in the order in which they are offered.
SIMILARITIES: dict[str, Entry] = {entry.name: entry for entry in _ENTRIES}

#: Name of a trained model's own similarity, which exists only with the model.
LEARNED = "learned"


def similarity_entry(name: str) -> Entry:
    """The entry of a name, or of a former one.

    Raises:
        InputError: for a name that there is not; the message lists those that there are.
    """
    for entry in _ENTRIES:
        if name == entry.name or name in entry.former:
            return entry
    raise InputError(f"There is no similarity {name!r}: choose among {', '.join(SIMILARITIES)}.")


def entry_of(similarity: Similarity) -> Entry | None:
    """The entry that a similarity was made from; None for one that is in no table."""
    return next((entry for entry in _ENTRIES if type(similarity) is entry.make), None)


def similarity_title(similarity: Similarity) -> str:
    """As it is shown; of one that is in no table, its class's name."""
    entry = entry_of(similarity)
    return type(similarity).__name__ if entry is None else entry.title


def similarity_meaning(similarity: Similarity) -> str:
    """What its cost means, in words."""
    entry = entry_of(similarity)
    return "the mean dissimilarity of learned features; 0 is perfect" if entry is None else entry.meaning
