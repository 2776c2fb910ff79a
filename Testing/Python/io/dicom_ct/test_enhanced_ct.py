"""Multi-frame CTs: read as the same slices in single files would be, and refused where those would be."""

import copy
import math

import numpy as np
import pydicom
import pytest
from pydicom.dataset import Dataset
from pydicom.encaps import encapsulate
from pydicom.uid import JPEG2000Lossless, MultiFrameGrayscaleWordSecondaryCaptureImageStorage, RLELossless, generate_uid

from SphericalRegLib.errors import GeometryError, InputError
from SphericalRegLib.io.ct import read_ct
from Testing.Python.io import builders

GRID = builders.oblique_grid()
VALUES = builders.blob(*GRID)
COUNT = len(VALUES)


def frames_of(dataset):
    return dataset.PerFrameFunctionalGroupsSequence


def shifted(dataset, offset):
    """Each frame k moved by offset(k), LPS mm."""
    for k, frame in enumerate(frames_of(dataset)):
        plane = frame.PlanePositionSequence[0]
        moved = np.array(plane.ImagePositionPatient, float) + offset(k)
        plane.ImagePositionPatient = [f"{c:.8f}" for c in moved]
    return dataset


@pytest.mark.parametrize("shared", [True, False])
@pytest.mark.parametrize(
    "order", [range(COUNT), range(COUNT)[::-1], np.random.default_rng(3).permutation(COUNT).tolist()]
)
def test_any_order_of_frames_is_the_volume_that_single_slices_make(tmp_path, order, shared):
    path = builders.save(builders.enhanced_ct(VALUES, *GRID, order=order, shared=shared), tmp_path / "enhanced.dcm")
    builders.write_series(tmp_path / "single", VALUES, *GRID)
    enhanced, single = read_ct(path), read_ct(tmp_path / "single")
    np.testing.assert_array_equal(enhanced.hu, single.hu)
    np.testing.assert_allclose(enhanced.hu, VALUES, atol=0.51)
    np.testing.assert_allclose(enhanced.world_from_voxel, single.world_from_voxel, atol=1e-9)
    spacing, directions, origin = GRID
    index = np.array([5.0, 7.0, 9.0])
    world = builders.LPS * (origin + directions @ (spacing * index))
    np.testing.assert_allclose((enhanced.world_from_voxel @ [*index, 1])[:3], world, atol=1e-5)
    assert enhanced.notes == ()


@pytest.mark.parametrize("degrees", [5, 15])
def test_a_tilted_gantry_is_an_error_that_names_the_angle(tmp_path, degrees):
    _, directions, _ = GRID
    slant = directions[:, 1] * GRID[0][2] * math.tan(math.radians(degrees))
    dataset = shifted(builders.enhanced_ct(VALUES, *GRID), lambda k: slant * k)
    with pytest.raises(GeometryError, match=rf"sheared: its slices are stacked {degrees}\.00° off"):
        read_ct(builders.save(dataset, tmp_path / "ct.dcm"))


def test_a_missing_frame_is_an_error_that_names_the_gap(tmp_path):
    dataset = builders.enhanced_ct(VALUES, *GRID, order=[k for k in range(COUNT) if k != 4])
    with pytest.raises(GeometryError, match=r"2\.300 mm apart as a rule and 4\.600 mm between"):
        read_ct(builders.save(dataset, tmp_path / "ct.dcm"))


def test_slightly_irregular_positions_are_rounding_in_both_kinds_and_no_more(tmp_path):
    normal = GRID[1][:, 2]
    for size, right in ((0.05, True), (0.4, False)):
        dataset = shifted(builders.enhanced_ct(VALUES, *GRID), lambda k, size=size: normal * size * (k == 5))
        path = builders.save(dataset, tmp_path / "ct.dcm")
        folder = tmp_path / f"single{size}"
        for k, file in enumerate(builders.write_series(folder, VALUES, *GRID)):
            slice_ = pydicom.dcmread(file)
            slice_.ImagePositionPatient = frames_of(dataset)[k].PlanePositionSequence[0].ImagePositionPatient
            slice_.save_as(file)
        for place in (path, folder):
            if right:
                np.testing.assert_allclose(read_ct(place).spacing, [0.7, 1.1, 2.3], rtol=1e-6)
            else:
                with pytest.raises(GeometryError, match="not evenly spaced"):
                    read_ct(place)


def test_a_slice_beside_the_others_is_an_error(tmp_path):
    dataset = shifted(builders.enhanced_ct(VALUES, *GRID), lambda k: GRID[1][:, 0] * 3 * (k == 6))
    with pytest.raises(GeometryError, match=r"Slice 6 in .* lies 3\.000 mm beside"):
        read_ct(builders.save(dataset, tmp_path / "ct.dcm"))


def test_several_phases_are_named_and_one_can_be_chosen(tmp_path):
    later = VALUES + np.int16(100)
    first, second = builders.enhanced_ct(VALUES, *GRID), builders.enhanced_ct(later, *GRID)
    for phase, part in ((1, first), (2, second)):
        for number, frame in enumerate(frames_of(part), start=1):
            content = Dataset()
            content.TemporalPositionIndex, content.StackID, content.InStackPositionNumber = phase, "1", number
            frame.FrameContentSequence = [content]
    both = copy.deepcopy(first)
    both.NumberOfFrames = 2 * COUNT
    both.PerFrameFunctionalGroupsSequence = [*frames_of(first), *frames_of(second)]
    both.PixelData = first.PixelData + second.PixelData
    path = builders.save(both, tmp_path / "ct.dcm")
    with pytest.raises(GeometryError, match=r"12 slices in .*TemporalPositionIndex: 1 \(12 slices\), 2 \(12 slices\)"):
        read_ct(path)
    chosen = read_ct(path, phase="TemporalPositionIndex=2")
    np.testing.assert_allclose(chosen.hu, later, atol=0.51)
    assert "TemporalPositionIndex=2" in chosen.notes[0]
    with pytest.raises(InputError, match="TemporalPositionIndex is 1, 2"):
        read_ct(path, phase="TemporalPositionIndex=3")


def test_thickness_without_positions_is_no_place(tmp_path):
    dataset = builders.enhanced_ct(VALUES, *GRID)
    for frame in frames_of(dataset):
        del frame.PlanePositionSequence
    path = builders.save(dataset, tmp_path / "ct.dcm")
    for place in (path, tmp_path):
        with pytest.raises(InputError, match=r"ImagePositionPatient.*thickness alone"):
            read_ct(place)


def test_a_multi_frame_secondary_capture_has_no_place(tmp_path):
    dataset = builders.enhanced_ct(VALUES, *GRID)
    dataset.SOPClassUID = MultiFrameGrayscaleWordSecondaryCaptureImageStorage
    dataset.file_meta.MediaStorageSOPClassUID = dataset.SOPClassUID
    del dataset.PerFrameFunctionalGroupsSequence, dataset.SharedFunctionalGroupsSequence
    with pytest.raises(InputError, match=r"CT\) but no slice of a CT.*Name a file or folder of CT images"):
        read_ct(builders.save(dataset, tmp_path / "ct.dcm"))


def test_groups_for_other_than_all_frames_are_an_error(tmp_path):
    dataset = builders.enhanced_ct(VALUES, *GRID)
    dataset.PerFrameFunctionalGroupsSequence = frames_of(dataset)[:-1]
    with pytest.raises(GeometryError, match=r"12 frames .* groups for 11"):
        read_ct(builders.save(dataset, tmp_path / "ct.dcm"))


def test_a_concatenation_is_joined_and_a_missing_part_is_named(tmp_path):
    uid, series = generate_uid(), generate_uid()
    for number, order in enumerate((range(5), range(5, 9), range(9, COUNT)), start=1):
        part = builders.enhanced_ct(VALUES, *GRID, order=order)
        part.SeriesInstanceUID, part.ConcatenationUID = series, uid
        part.InConcatenationNumber, part.InConcatenationTotalNumber = number, 3
        builders.save(part, tmp_path / f"part{3 - number}.dcm")
    np.testing.assert_allclose(read_ct(tmp_path).hu, VALUES, atol=0.51)
    np.testing.assert_allclose(read_ct(tmp_path / "part1.dcm").hu, VALUES, atol=0.51)
    (tmp_path / "part0.dcm").unlink()
    with pytest.raises(InputError, match=r"split over several files .* number 3 .* is not there"):
        read_ct(tmp_path)


def test_enhanced_and_single_slices_of_one_series_make_one_volume(tmp_path):
    head = builders.enhanced_ct(VALUES, *GRID, order=range(6))
    builders.save(head, tmp_path / "head.dcm")
    files = builders.write_series(tmp_path, VALUES, *GRID, uid=str(head.SeriesInstanceUID))
    for file in files[:6]:
        file.unlink()
    np.testing.assert_allclose(read_ct(tmp_path).hu, VALUES, atol=0.51)


@pytest.mark.parametrize("kind", ["rle", "jpeg2000"])
def test_compressed_frames_are_read_with_each_frames_rescale(tmp_path, kind):
    dataset = builders.enhanced_ct(VALUES, *GRID, order=range(COUNT)[::-1])
    if kind == "rle":
        dataset.compress(RLELossless)
    else:
        dataset.PixelData = encapsulate([jpeg2000(frame, tmp_path) for frame in stored(dataset)])
        dataset["PixelData"].is_undefined_length = True
        dataset.file_meta.TransferSyntaxUID = JPEG2000Lossless
    np.testing.assert_allclose(read_ct(builders.save(dataset, tmp_path / "ct.dcm")).hu, VALUES, atol=0.51)


def stored(dataset):
    return np.frombuffer(dataset.PixelData, "<i2").reshape(-1, dataset.Rows, dataset.Columns)


def jpeg2000(frame, folder):
    """The bytes of one frame, by GDCM's own writer."""
    import SimpleITK

    image = SimpleITK.GetImageFromArray(frame)
    writer = SimpleITK.ImageFileWriter()
    writer.SetImageIO("GDCMImageIO")
    writer.UseCompressionOn()
    writer.SetCompressor("JPEG2000")
    writer.SetFileName(str(folder / "one.dcm"))
    writer.Execute(image)
    written = pydicom.dcmread(folder / "one.dcm")
    (folder / "one.dcm").unlink()
    return next(iter(pydicom.encaps.generate_frames(written.PixelData, number_of_frames=1)))
