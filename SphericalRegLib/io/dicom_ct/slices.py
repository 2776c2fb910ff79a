"""The slices in a DICOM file: one of a classic file, one for each frame of a multi-frame ("enhanced") file.

All that differs by frame is looked up in the frame's functional groups, then in the shared one, then in the header
itself (PS3.3 C.7.6.16), so that whoever uses slices does not see which kind of file they came from.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import numpy as np
import pydicom

from SphericalRegLib.errors import GeometryError
from SphericalRegLib.io.dicom import tags

#: What may tell apart volumes that lie at one place: phases, stacks, energies, reconstructions.
TRAITS = (
    "StackID",
    "TemporalPositionIndex",
    "TemporalPositionIdentifier",
    "TemporalPositionTimeOffset",
    "NominalPercentageOfCardiacPhase",
    "NominalCardiacTriggerDelayTime",
    "TriggerTime",
    "FrameType",
    "ImageType",
    "KVP",
    "ConvolutionKernel",
    "ReconstructionAlgorithm",
    "EffectiveEchoTime",
    "EchoNumbers",
    "AcquisitionNumber",
    "FrameAcquisitionNumber",
    "AcquisitionUID",
    "AcquisitionDateTime",
    "ContrastBolusAgent",
)
#: Attributes of a header that are needed to tell series apart and to place their slices.
HEADER_TAGS = [
    "SOPClassUID",
    "SOPInstanceUID",
    "SeriesInstanceUID",
    "SeriesDescription",
    "Modality",
    "ImageType",
    "SamplesPerPixel",
    "NumberOfFrames",
    "ImagePositionPatient",
    "ImageOrientationPatient",
    "PixelSpacing",
    "SliceThickness",
    "Rows",
    "Columns",
    "ConcatenationUID",
    "InConcatenationNumber",
    "InConcatenationTotalNumber",
    "DimensionIndexSequence",
    "SharedFunctionalGroupsSequence",
    "PerFrameFunctionalGroupsSequence",
    *TRAITS,
]


@dataclass(frozen=True)
class Slice:
    """One slice of a volume.

    Attributes:
        path: its file.
        header: of the file, without pixels.
        frame: from 0; of a classic file always 0.
    """

    path: Path
    header: pydicom.Dataset
    frame: int

    @property
    def name(self) -> str:
        """What errors call it."""
        return str(self.path) if tags.frame_count(self.header) == 1 else f"Frame {self.frame} of {self.path}"

    @cached_property
    def position(self) -> np.ndarray:
        """(3,) LPS mm of the center of the first pixel (PS3.3 C.7.6.2.1.1)."""
        return self._numbers("ImagePositionPatient", 3)

    @cached_property
    def orientation(self) -> np.ndarray:
        """(6,) LPS direction cosines: toward which columns are counted, then rows."""
        return self._numbers("ImageOrientationPatient", 6)

    @cached_property
    def spacing(self) -> np.ndarray:
        """(2,) mm between rows, then between columns."""
        return self._numbers("PixelSpacing", 2)

    @cached_property
    def size(self) -> np.ndarray:
        """(2,) rows, columns."""
        return np.array(tags.size(self.header))

    @property
    def has_position(self) -> bool:
        """Whether a place in the patient is told."""
        return tags.element(self.header, "ImagePositionPatient", self.frame) is not None

    @property
    def image_type(self) -> set[str]:
        """The words of Image Type and Frame Type (PS3.3 C.7.6.1.1.2, C.8.16.1)."""
        frame_type = tags.texts(self.header, "FrameType", self.frame)
        return set(frame_type or tags.texts(self.header, "ImageType"))

    def traits(self) -> dict[str, str]:
        """{attribute: value} of what may tell apart volumes at one place, as far as it is told."""
        values = {keyword: "\\".join(tags.texts(self.header, keyword, self.frame)) for keyword in TRAITS}
        for number, value in enumerate(tags.texts(self.header, "DimensionIndexValues", self.frame), start=1):
            values[f"DimensionIndexValues[{number}]"] = value
        return {keyword: value for keyword, value in values.items() if value}

    def _numbers(self, keyword: str, count: int) -> np.ndarray:
        try:
            numbers = tags.values(self.header, keyword, count, self.frame)
        except GeometryError as error:
            raise GeometryError(f"{self.name}: {error}") from error
        if numbers is None:
            thickness = tags.named("SliceThickness")
            raise GeometryError(
                f"{self.name} has no {tags.named(keyword)}: it is no slice of a CT with a place in the patient, "
                f"and a place is not guessed from {thickness}. Export the series again from the scanner or the archive "
                "as CT images, not as secondary captures."
            )
        return np.array(numbers)


def slices_of(path: Path, header: pydicom.Dataset) -> list[Slice]:
    """All slices of a file, in the order in which they are stored.

    Raises:
        GeometryError: where the functional groups are not as many as the frames.
    """
    count = tags.frame_count(header)
    groups = header.get("PerFrameFunctionalGroupsSequence")
    if groups and len(groups) != count:
        raise GeometryError(
            f"{path} has {count} frames ({tags.named('NumberOfFrames')}) and functional groups for "
            f"{len(groups)}: it is damaged. Export it again."
        )
    return [Slice(path, header, frame) for frame in range(count)]
