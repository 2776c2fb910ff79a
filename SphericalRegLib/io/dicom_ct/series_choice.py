"""Which of the DICOM series in a folder is the CT: decided by what its images say they are, not by their number."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

from SphericalRegLib.errors import InputError
from SphericalRegLib.io.dicom import tags
from SphericalRegLib.io.dicom_ct.slices import Slice

CT = "CT"
REFORMATTED = "reformatted"
LOCALIZER = "localizer"
PROJECTION = "projection"
NO_POSITION = "no position"
OTHER = "other"

# Words of Image Type and Frame Type (PS3.3 C.8.2.1.1.1, C.8.16.1; CT vendors' own).
_LOCALIZERS = {"LOCALIZER", "SCOUT", "TOPOGRAM"}
_PROJECTIONS = {"MIP", "MINIP", "MAX_IP", "MIN_IP", "PROJECTION IMAGE", "PROJECTION", "VOLUME RENDERING", "3D"}
_REFORMATTED = {"MPR", "REFORMATTED", "CPR", "CURVED", "SECONDARY"}
_SECONDARY_CAPTURE = "1.2.840.10008.5.1.4.1.1.7"
# A scout is one picture or two at right angles; three slices or more can be a volume.
_FEWEST_SLICES = 3


@dataclass(frozen=True)
class DicomSeries:
    """All images of one series, in no order."""

    uid: str
    slices: tuple[Slice, ...]

    @property
    def modality(self) -> str:
        """As the first image says."""
        return str(self.slices[0].header.get("Modality") or "no modality")

    @cached_property
    def kind(self) -> str:
        """The kind of most of its images; localizers and pictures without position among them do not count."""
        kinds = [kind_of_image(one) for one in self.slices]
        anatomical = [kind for kind in kinds if kind not in (LOCALIZER, NO_POSITION)] or kinds
        return max(dict.fromkeys(anatomical), key=anatomical.count)


def kind_of_image(one: Slice) -> str:
    """What an image is to someone who looks for a CT: one of the constants of this module."""
    words = one.image_type
    if words & _LOCALIZERS:
        return LOCALIZER
    if str(one.header.get("Modality") or "") != "CT" or int(one.header.get("SamplesPerPixel") or 1) != 1:
        return OTHER
    if not one.has_position:
        return NO_POSITION
    if words & _PROJECTIONS:
        return PROJECTION
    if words & _REFORMATTED or tags.text(one.header, "SOPClassUID").startswith(_SECONDARY_CAPTURE):
        return REFORMATTED
    return CT


def choose_series(everything: Mapping[str, DicomSeries], path: Path, series: str | None) -> DicomSeries:
    """The CT among series: the one of original slices; without such, the one that was reformatted.

    Args:
        everything: {SeriesInstanceUID: series}.
        path: their folder, for messages.
        series: SeriesInstanceUID or its end; then any series can be chosen.

    Raises:
        InputError: where none or several could be meant; the message lists all.
    """
    listing = "\n".join(
        _line(one) for one in sorted(everything.values(), key=lambda one: (_ORDER.index(one.kind), -len(one.slices)))
    )
    if series is not None:
        chosen = [one for key, one in everything.items() if key.endswith(series) or one.uid.endswith(series)]
        if len(chosen) != 1:
            raise InputError(f"series={series!r} names {len(chosen)} of the series in {path}:\n{listing}")
        return chosen[0]
    for candidates in _candidates(everything):
        if len(candidates) == 1:
            return candidates[0]
        if candidates:
            raise InputError(
                f"{path} holds {len(everything)} series, of which {len(candidates)} could be the CT: pass series= with "
                f"the UID (or its end) of one of\n{listing}"
            )
    if all(one.kind == NO_POSITION for one in everything.values()):
        raise InputError(
            f"{path} holds no DICOM slices with a place in the patient (ImagePositionPatient), which slice thickness "
            "alone does not tell: export the series again as CT images."
        )
    raise InputError(
        f"{path} holds no CT. To read another series all the same, pass series= with the UID (or its end) of one "
        f"of\n{listing}"
    )


_ORDER = (CT, REFORMATTED, PROJECTION, OTHER, LOCALIZER, NO_POSITION)


def _candidates(everything: Mapping[str, DicomSeries]) -> list[list[DicomSeries]]:
    """Series that could be meant, in groups of which an earlier one is preferred."""
    originals = [one for one in everything.values() if one.kind == CT]
    return [
        [one for one in originals if len(one.slices) >= _FEWEST_SLICES],
        originals,
        [one for one in everything.values() if one.kind == REFORMATTED],
    ]


def _line(one: DicomSeries) -> str:
    description = str(one.slices[0].header.get("SeriesDescription") or "no description")
    kind = "" if one.kind in (CT, OTHER) else f", {one.kind}"
    return f"  {one.uid}: {len(one.slices)} slices, {one.modality}, {description}{kind}"
