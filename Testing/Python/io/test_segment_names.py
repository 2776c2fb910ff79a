"""Slicer's segmentation headers."""

from __future__ import annotations

import pytest

from SphericalRegLib.errors import InputError
from SphericalRegLib.io.segment_names import segment_names


def header(*segments: tuple[str, str, str], **more: str) -> dict[str, str]:
    """Of segments (name, label value, layer)."""
    found = dict(more)
    for number, (name, label, layer) in enumerate(segments):
        found |= {f"Segment{number}_Name": name, f"Segment{number}_LabelValue": label, f"Segment{number}_Layer": layer}
    return found


def test_names_go_by_label_value_whatever_their_numbers() -> None:
    content = header(("sacrum", "7", "0"), ("hip", "2", "0"), Segmentation_MasterRepresentation="Binary labelmap")
    content |= {"Segment12_Name": "rib", "Segment12_LabelValue": "30", "Segment40_Name": "without a label"}
    assert segment_names("a.seg.nrrd", content, 1) == {7: "sacrum", 2: "hip", 30: "rib"}
    assert segment_names("a.nii", {"ITK_original_direction": "x"}, 1) == {}


@pytest.mark.parametrize(
    ("content", "layers", "words"),
    [
        (header(("a", "1", "0"), ("b", "1", "1")), 2, "the segment 'b' in another layer than a: overlapping"),
        (header(("a", "1", "0"), ("b", "2", "1")), 1, "the segment 'b' in another layer than a: overlapping"),
        (header(("a", "1", "0"), ("b", "1", "0")), 1, "segments 'a' and 'b' one label, 1"),
        (header(("a", "one", "0")), 1, "label 'one': no number"),
        ({}, 3, "has 3 layers"),
        ({"Segmentation_MasterRepresentation": "Fractional labelmap"}, 1, "'Fractional labelmap'.*as a label map"),
        ({"Segmentation_SourceRepresentation": "Closed surface"}, 1, "'Closed surface'"),
    ],
)
def test_what_labels_cannot_tell_apart_is_refused_by_name(content: dict[str, str], layers: int, words: str) -> None:
    with pytest.raises(InputError, match=words):
        segment_names("a.seg.nrrd", content, layers)
