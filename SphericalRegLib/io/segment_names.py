"""What Slicer's segmentation format (.seg.nrrd) says of its segments: names, label values, layers."""

from __future__ import annotations

import re
from collections.abc import Mapping
from pathlib import Path

from SphericalRegLib.errors import InputError

_KEY = re.compile(r"Segment(\d{1,6})_(Name|LabelValue|Layer)")
# Newer files call it the source representation.
_REPRESENTATIONS = ("Segmentation_SourceRepresentation", "Segmentation_MasterRepresentation")
_BINARY = "Binary labelmap"
_EXPORT = "Export it from 3D Slicer as a label map (Segmentations module: Export to new labelmap)"


def segment_names(path: str | Path, header: Mapping[str, str], layers: int) -> dict[int, str]:
    """{label: name} out of a file's header; empty for files of another kind. Checks that labels can tell all segments.

    Args:
        path: for errors.
        header: the file's keys and values.
        layers: values per voxel.

    Raises:
        InputError: for fractional labels or surfaces, segments in several layers (they overlap), and two with one label
            value.
    """
    for key in _REPRESENTATIONS:
        if header.get(key, _BINARY).strip() != _BINARY:
            raise InputError(f"{path} holds a segmentation as {header[key]!r}, not as {_BINARY!r}: {_EXPORT}.")
    segments: dict[int, dict[str, str]] = {}
    for key, value in header.items():
        if match := _KEY.fullmatch(key):
            segments.setdefault(int(match[1]), {})[match[2]] = value.strip()
    names: dict[int, str] = {}
    for number in sorted(segments):
        segment = segments[number]
        name = segment.get("Name", f"Segment{number}")
        if segment.get("Layer", "0") != "0":
            others = [s.get("Name", f"Segment{n}") for n, s in sorted(segments.items()) if s.get("Layer", "0") == "0"]
            raise InputError(
                f"{path} holds the segment {name!r} in another layer than {', '.join(others[:6]) or 'none'}: "
                f"overlapping segments cannot be used. {_EXPORT}."
            )
        if "LabelValue" not in segment:
            continue
        if not segment["LabelValue"].isdecimal() or len(segment["LabelValue"]) > 10:
            raise InputError(f"{path} gives the segment {name!r} the label {segment['LabelValue'][:40]!r}: no number.")
        label = int(segment["LabelValue"])
        if label in names:
            raise InputError(f"{path} gives the segments {names[label]!r} and {name!r} one label, {label}. {_EXPORT}.")
        names[label] = name
    if layers != 1:
        raise InputError(f"{path} has {layers} layers: overlapping segments cannot be used. {_EXPORT}.")
    return names
