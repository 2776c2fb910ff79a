"""Segmentations as Slicer's own storage node writes them: cropped to the segments, with their names."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np

from SphericalRegLib.io.labels import read_labels
from Testing.Python.scene.builders import add_volume
from Testing.Python.scene.test_ct import segmented


def test_a_segmentation_that_slicer_cropped_to_its_segments_is_read_on_the_ct(
    tmp_path: Path, a_scene: Any, oblique_matrix: np.ndarray
) -> None:
    size = (24, 20, 12)
    volume = add_volume(a_scene, np.zeros(size[::-1], np.int16), oblique_matrix)
    blocks = {
        "sacrum": (slice(2, 5), slice(3, 9), slice(4, 8)),
        "left, hip": (slice(6, 9), slice(3, 12), slice(10, 14)),
    }
    node = segmented(a_scene, volume, blocks)
    storage = a_scene.AddNewNodeByClass("vtkMRMLSegmentationStorageNode")
    storage.SetCropToMinimumExtent(True)
    path = tmp_path / "bones.seg.nrrd"
    storage.SetFileName(str(path))
    assert storage.WriteData(node)
    labels, names = read_labels(path, oblique_matrix, size)
    assert sorted(names.values()) == sorted(blocks)
    expected = np.zeros(size[::-1], np.int32)
    for number, name in names.items():
        expected[blocks[name]] = number
    np.testing.assert_array_equal(labels, expected)
    # cropped indeed
    text = path.read_bytes()[:4000].decode("latin-1")
    assert "sizes: 24 20 12" not in text
