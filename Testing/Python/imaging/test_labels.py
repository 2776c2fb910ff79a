"""Label maps lie on the CT's grid; bones are chosen by name."""

import json

import numpy as np
import pytest
import SimpleITK

from SphericalRegLib.errors import GeometryError, InputError
from SphericalRegLib.imaging.ct import read_ct
from SphericalRegLib.imaging.labels import block_labels, labels_present, read_label_names, select_labels
from Testing.Python.imaging import builders

GRID = builders.oblique_grid()
NAMES = {1: "sacrum", 3: "Femur_left", 9: "not in the map"}


def label_map() -> np.ndarray:
    labels = np.zeros((12, 20, 24), np.uint8)
    labels[2:5, 3:9, 4:8] = 1
    labels[6:9, 3:9, 4:8] = 3
    return labels


@pytest.fixture
def ct_path(tmp_path):
    return builders.write_itk(tmp_path / "ct.nrrd", builders.blob(*GRID), *GRID)


def test_labels_and_names_come_with_the_ct(tmp_path, ct_path):
    labels = builders.write_itk(tmp_path / "labels.nii.gz", label_map(), *GRID)
    (tmp_path / "names.json").write_text(json.dumps({"1": "sacrum", "femur_left": 3}))
    ct = read_ct(ct_path, labels, tmp_path / "names.json")
    np.testing.assert_array_equal(ct.labels, label_map())
    assert ct.label_names == {1: "sacrum", 3: "femur_left"}


def test_a_slicer_segmentation_brings_its_names(tmp_path, ct_path):
    image = SimpleITK.GetImageFromArray(label_map())
    image.CopyInformation(SimpleITK.ReadImage(str(ct_path)))
    for number, (label, name) in enumerate([(1, "Sacrum"), (3, "Left femur")]):
        image.SetMetaData(f"Segment{number}_LabelValue", str(label))
        image.SetMetaData(f"Segment{number}_Name", name)
    SimpleITK.WriteImage(image, str(tmp_path / "bones.seg.nrrd"))
    assert read_ct(ct_path, tmp_path / "bones.seg.nrrd").label_names == {1: "Sacrum", 3: "Left femur"}


def test_a_label_map_of_another_size_is_an_error(tmp_path, ct_path):
    path = builders.write_itk(tmp_path / "labels.nrrd", label_map()[:-1], *GRID)
    with pytest.raises(GeometryError, match=r"\(24, 20, 11\) voxels .* the CT \(24, 20, 12\)"):
        read_ct(ct_path, path)


def test_a_label_map_elsewhere_is_an_error_but_rounding_is_not(tmp_path, ct_path):
    spacing, directions, origin = GRID
    close = builders.write_itk(tmp_path / "close.nrrd", label_map(), spacing, directions, origin + 0.01)
    assert read_ct(ct_path, close).labels is not None
    off = builders.write_itk(tmp_path / "off.nrrd", label_map(), spacing, directions, origin + 1.0)
    with pytest.raises(GeometryError, match="lies elsewhere"):
        read_ct(ct_path, off)
    wrong = builders.write_itk(tmp_path / "wrong.nrrd", label_map(), spacing * 1.05, directions, origin)
    with pytest.raises(GeometryError, match=r"spacings \[0\.735"):
        read_ct(ct_path, wrong)


@pytest.mark.parametrize(("value", "said"), [(0.5, "holds 0.5"), (-2.0, "label -2"), (np.nan, "holds nan")])
def test_values_that_are_no_labels_are_an_error(tmp_path, ct_path, value, said):
    labels = label_map().astype(np.float32)
    labels[0, 0, 0] = value
    with pytest.raises(InputError, match=said):
        read_ct(ct_path, builders.write_itk(tmp_path / "labels.nrrd", labels, *GRID))


def test_overlapping_segments_are_an_error(tmp_path, ct_path):
    image = SimpleITK.GetImageFromArray(np.stack([label_map()] * 2, axis=-1), isVector=True)
    SimpleITK.WriteImage(image, str(tmp_path / "layers.nrrd"))
    with pytest.raises(InputError, match="2 layers"):
        read_ct(ct_path, tmp_path / "layers.nrrd")


@pytest.mark.parametrize("text", ["{", "[1]", '{"1": 2}', '{"one": "sacrum"}', '{"1": null}'])
def test_a_file_that_names_no_labels_is_an_error(tmp_path, text):
    (tmp_path / "names.json").write_text(text)
    with pytest.raises(InputError, match=r"names\.json"):
        read_label_names(tmp_path / "names.json")


def test_labels_are_chosen_by_number_or_name_in_any_case():
    assert select_labels(label_map(), NAMES, ["femur_LEFT", 1, "3"]) == [3, 1]
    assert labels_present(label_map()) == [1, 3]


@pytest.mark.parametrize("selection", [[], ["rib"], [2], [9], ["not in the map"], [-1]])
def test_choosing_nothing_or_what_is_not_there_lists_what_is(selection):
    with pytest.raises(InputError, match=r"1 sacrum, 3 Femur_left"):
        select_labels(label_map(), NAMES, selection)


def test_choosing_without_a_label_map_is_an_error():
    with pytest.raises(InputError, match="without a label map"):
        select_labels(None, {}, [1])


def test_downsampling_keeps_the_commonest_label():
    labels = np.zeros((2, 2, 5), np.int32)
    labels[:, :, 0] = 4  # half of the first block: a tie goes to the smaller label
    labels[:, 0, 2] = 5
    labels[:, :, 3] = 5
    labels[:, :, 4] = 6  # half of the last block lies outside
    np.testing.assert_array_equal(block_labels(labels, (2, 2, 2)), [[[0, 5, 0]]])
