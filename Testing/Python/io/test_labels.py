"""Label maps lie on the CT's grid; bones are chosen by name."""

import json

import numpy as np
import pytest
import SimpleITK

from SphericalRegLib.errors import GeometryError, InputError
from SphericalRegLib.imaging.labels import block_labels, labels_present, select_labels
from SphericalRegLib.io.ct import read_ct
from SphericalRegLib.io.labels import read_label_names
from Testing.Python.io import builders

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


def flipped_map(path, axes, low=(0, 0, 0), high=(24, 20, 12)):
    """The label map as another tool stores it: axes reversed (ITK flips voxels and geometry alike), and cropped."""
    image = SimpleITK.GetImageFromArray(label_map())
    spacing, directions, origin = GRID
    image.SetSpacing(spacing.tolist())
    image.SetDirection(directions.ravel().tolist())
    image.SetOrigin(origin.tolist())
    image = image[low[0] : high[0], low[1] : high[1], low[2] : high[2]]
    SimpleITK.WriteImage(SimpleITK.Flip(SimpleITK.PermuteAxes(image, axes[0]), axes[1], False), str(path))
    return path


@pytest.mark.parametrize(
    "axes",
    [((0, 1, 2), (True, True, False)), ((2, 0, 1), (False, True, False)), ((1, 0, 2), (True, True, True))],
)
@pytest.mark.parametrize("suffix", ["nrrd", "nii.gz", "mha"])
def test_the_same_voxels_in_another_order_are_the_same_map(tmp_path, ct_path, axes, suffix):
    path = flipped_map(tmp_path / f"labels.{suffix}", axes)
    np.testing.assert_array_equal(read_ct(ct_path, path).labels, label_map())


def test_a_nifti_map_of_a_dicom_series_is_read_as_it_is_on_the_ct(tmp_path):
    """As TotalSegmentator's of dcm2niix's: rows run the other way, so the axes are left-handed (LAS)."""
    spacing, directions = np.array([0.7, 0.9, 2.5]), np.eye(3)
    origin = np.array([-90.0, -120.0, 35.0])
    ct = builders.write_itk(tmp_path / "ct.nrrd", builders.blob(*GRID), spacing, directions, origin)
    flipped = directions * [1, -1, 1]
    first = origin + [0, 19 * 0.9, 0]
    labels = builders.write_itk(tmp_path / "labels.nii.gz", label_map()[:, ::-1], spacing, flipped, first)
    assert np.linalg.det(np.array(SimpleITK.ReadImage(str(labels)).GetDirection()).reshape(3, 3)) < 0
    np.testing.assert_array_equal(read_ct(ct, labels).labels, label_map())


def test_a_map_cropped_to_its_segments_is_padded(tmp_path, ct_path):
    path = flipped_map(tmp_path / "labels.nrrd", ((0, 1, 2), (False, False, True)), (4, 3, 2), (8, 9, 9))
    np.testing.assert_array_equal(read_ct(ct_path, path).labels, label_map())


def test_a_map_larger_than_the_ct_is_cropped(tmp_path):
    spacing, directions, origin = GRID
    ct = builders.write_itk(tmp_path / "ct.nrrd", builders.blob(*GRID)[1:-1, :, 3:], spacing, directions,
                            origin + directions @ (spacing * [3, 0, 1]))  # fmt: skip
    path = builders.write_itk(tmp_path / "labels.nrrd", label_map(), *GRID)
    np.testing.assert_array_equal(read_ct(ct, path).labels, label_map()[1:-1, :, 3:])


def test_a_map_whose_voxels_lie_between_the_cts_is_refused_with_the_remedy(tmp_path, ct_path):
    spacing, directions, origin = GRID
    path = builders.write_itk(tmp_path / "labels.nrrd", label_map()[:6, :10, :12], 2 * spacing, directions, origin)
    with pytest.raises(GeometryError, match=r"\(12, 10, 6\) of .* the CT \(24, 20, 12\).*nearest neighbor"):
        read_ct(ct_path, path)


@pytest.mark.parametrize(("steps", "size"), [([1, 0, 0], 12), ([0, 0, 12], 3)])
def test_a_map_that_is_shifted_or_beside_the_ct_is_refused(tmp_path, ct_path, steps, size):
    spacing, directions, origin = GRID
    shifted = origin + directions @ (spacing * steps)
    path = builders.write_itk(tmp_path / "labels.nrrd", label_map()[:size], spacing, directions, shifted)
    with pytest.raises(GeometryError, match="lies elsewhere"):
        read_ct(ct_path, path)


def test_a_label_map_elsewhere_is_an_error_but_rounding_is_not(tmp_path, ct_path):
    spacing, directions, origin = GRID
    close = builders.write_itk(tmp_path / "close.nrrd", label_map(), spacing, directions, origin + 0.01)
    assert read_ct(ct_path, close).labels is not None
    off = builders.write_itk(tmp_path / "off.nrrd", label_map(), spacing, directions, origin + 1.0)
    with pytest.raises(GeometryError, match="centers do not coincide"):
        read_ct(ct_path, off)
    wrong = builders.write_itk(tmp_path / "wrong.nrrd", label_map(), spacing * 1.05, directions, origin)
    with pytest.raises(GeometryError, match=r"of \[0\.735"):
        read_ct(ct_path, wrong)


@pytest.mark.parametrize(
    ("value", "said"),
    [(0.5, "holds 0.5"), (-2.0, "label -2"), (np.nan, "holds nan"), (np.inf, "holds inf"), (3e9, "label 3000000000")],
)
def test_values_that_are_no_labels_are_an_error(tmp_path, ct_path, value, said):
    labels = label_map().astype(np.float32)
    labels[0, 0, 0] = value
    with pytest.raises(InputError, match=said):
        read_ct(ct_path, builders.write_itk(tmp_path / "labels.nrrd", labels, *GRID))


@pytest.mark.parametrize("kind", [np.uint8, np.uint16, np.int16, np.int64, np.uint64, np.float32, np.float64])
def test_labels_of_any_type_and_with_rounding_are_read(tmp_path, ct_path, kind):
    labels = label_map().astype(kind) * (1 + 1e-7 if np.dtype(kind).kind == "f" else 1)
    path = builders.write_itk(tmp_path / "labels.nrrd", labels.astype(kind), *GRID)
    np.testing.assert_array_equal(read_ct(ct_path, path).labels, label_map())


def test_large_labels_are_kept_and_larger_ones_refused(tmp_path, ct_path):
    labels = label_map().astype(np.int64)
    labels[labels == 3] = 2**31 - 1
    found = read_ct(ct_path, builders.write_itk(tmp_path / "labels.nrrd", labels, *GRID)).labels
    assert labels_present(found) == [1, 2**31 - 1]
    labels[labels == 1] = 2**31
    with pytest.raises(InputError, match="label 2147483648: labels are at most 2147483647"):
        read_ct(ct_path, builders.write_itk(tmp_path / "labels.nrrd", labels, *GRID))


def test_a_flat_map_is_refused(tmp_path, ct_path):
    SimpleITK.WriteImage(SimpleITK.GetImageFromArray(label_map()[0]), str(tmp_path / "labels.nrrd"))
    with pytest.raises(InputError, match="2 dimensions"):
        read_ct(ct_path, tmp_path / "labels.nrrd")


@pytest.mark.parametrize(("modality", "word"), [("SEG", "DICOM segmentation"), ("RTSTRUCT", "DICOM structure set")])
def test_dicom_segmentations_are_refused_by_name(tmp_path, ct_path, modality, word):
    dataset = builders.empty_dicom("1.2.840.10008.5.1.4.1.1.66.4", modality)
    dataset.save_as(tmp_path / "labels.dcm", enforce_file_format=True)
    with pytest.raises(InputError, match=f"is a {word}.*export it as a label map"):
        read_ct(ct_path, tmp_path / "labels.dcm")


def test_overlapping_segments_are_an_error(tmp_path, ct_path):
    image = SimpleITK.GetImageFromArray(np.stack([label_map()] * 2, axis=-1), isVector=True)
    SimpleITK.WriteImage(image, str(tmp_path / "layers.nrrd"))
    with pytest.raises(InputError, match="2 layers"):
        read_ct(ct_path, tmp_path / "layers.nrrd")


@pytest.mark.parametrize(
    "text",
    [
        "{",
        "[1]",
        '{"1": 2}',
        '{"one": "sacrum"}',
        '{"1": null}',
        '{"1": "a", "01": "b"}',
        '{"a": 1, "b": 1}',
        '{"1": "a", "1": "b"}',
        '{"a": true}',
        '{"' + "1" * 5000 + '": "a"}',
    ],
)
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


def test_a_name_of_two_labels_is_not_guessed_and_numbers_are_numbers():
    with pytest.raises(InputError, match=r"labels \[1, 3\] are all named 'rib'"):
        select_labels(label_map(), {1: "rib", 3: "Rib"}, ["rib"])
    assert select_labels(label_map(), {1: "3"}, [3]) == [3]
    assert select_labels(label_map(), {1: "3"}, ["3"]) == [1]


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
