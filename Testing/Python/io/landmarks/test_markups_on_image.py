"""Pixels of markups: oblique, anisotropic, off-center images, frames, and where Slicer's DICOM module puts X-rays."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pydicom
import pytest
import SimpleITK
import torch

from SphericalRegLib.errors import InputError
from SphericalRegLib.geometry import se3
from SphericalRegLib.io.landmarks.markups_on_image import pixels_on_image
from SphericalRegLib.sample import sample_path

PIXELS = {"a": [40.0, 50.5], "b": [0.0, 0.0], "c": [79.4, 89.4]}
XA, CR = "1.2.840.10008.5.1.4.1.1.12.1", "1.2.840.10008.5.1.4.1.1.1"
MARKUPS = Path("xray.mrk.json")


def oblique_image(tmp_path: Path, frames: int = 1) -> tuple[Path, SimpleITK.Image]:
    image = SimpleITK.GetImageFromArray(np.zeros((frames, 90, 80), np.float32))
    image.SetSpacing((0.5, 2.0, 3.0))
    image.SetOrigin((10.0, -20.0, 300.0))
    rotation = se3.exp(torch.tensor([0.5, -0.8, 0.3, 0, 0, 0], dtype=torch.float64))[:3, :3]
    image.SetDirection(rotation.flatten().tolist())
    SimpleITK.WriteImage(image, str(tmp_path / "xray.nrrd"))
    return tmp_path / "xray.nrrd", image


def in_ras(image: SimpleITK.Image, index: tuple[float, ...]) -> list[float]:
    x, y, z = image.TransformContinuousIndexToPhysicalPoint(index)
    return [-x, -y, z]


@pytest.mark.parametrize("frame", [0, 2])
def test_markups_on_an_oblique_image_are_at_the_pixels_that_itk_says(tmp_path: Path, frame: int) -> None:
    path, image = oblique_image(tmp_path, frames=4)
    places = {name: in_ras(image, (u, v, frame)) for name, (u, v) in PIXELS.items()}
    found = pixels_on_image(places, MARKUPS, path, frame)
    assert {name: pytest.approx(pixel) for name, pixel in found.items()} == PIXELS
    with pytest.raises(InputError, match="mm off the plane"):
        pixels_on_image(places, MARKUPS, path, frame + 1)


def test_a_picture_lies_at_the_origin_with_pixels_of_one_millimeter(tmp_path: Path) -> None:
    SimpleITK.WriteImage(SimpleITK.GetImageFromArray(np.zeros((90, 80), np.uint8)), str(tmp_path / "xray.png"))
    places = {name: [-u, -v, 0.0] for name, (u, v) in PIXELS.items()}
    assert pixels_on_image(places, MARKUPS, tmp_path / "xray.png") == PIXELS


def test_markups_off_the_plane_or_outside_of_the_image_are_refused_by_name(tmp_path: Path) -> None:
    path, image = oblique_image(tmp_path)
    good = in_ras(image, (40, 50.5, 0))
    with pytest.raises(
        InputError, match=r"xray\.mrk\.json: the landmark 'L4' lies 60\.0 mm off the plane of .*xray\.nrrd"
    ):
        pixels_on_image({"a": good, "L4": in_ras(image, (40, 50, 20))}, MARKUPS, path)
    with pytest.raises(InputError, match=r"'L4' lies at column 90\.0, row 12\.0, outside of the 80 × 90 pixels"):
        pixels_on_image({"a": good, "L4": in_ras(image, (90, 12, 0))}, MARKUPS, path)


def xray(tmp_path: Path, sop_class: str, frames: int = 1, placed: bool = True) -> Path:
    dataset = pydicom.dcmread(sample_path("pelvis_lumbar_3mm_ap.dcm"))
    dataset.SOPClassUID = dataset.file_meta.MediaStorageSOPClassUID = sop_class
    dataset.ImagerPixelSpacing = [0.3, 0.7]
    if placed:
        dataset.ImagePositionPatient, dataset.ImageOrientationPatient = [10, 20, 30], [0, 1, 0, 0, 0, -1]
    if frames > 1:
        dataset.NumberOfFrames, dataset.PixelData = frames, dataset.PixelData * frames
        dataset.FrameIncrementPointer, dataset.FrameTimeVector = 0x00181065, [0.0] + [40.0] * (frames - 1)
    dataset.save_as(tmp_path / "xray.dcm")
    return tmp_path / "xray.dcm"


def test_slicers_dicom_module_puts_angiography_at_the_origin_whatever_its_tags_say(tmp_path: Path) -> None:
    path = xray(tmp_path, XA)
    at_origin = {name: [-0.7 * u, -0.3 * v, 0.0] for name, (u, v) in PIXELS.items()}
    found = pixels_on_image(at_origin, MARKUPS, path)
    assert {name: pytest.approx(pixel) for name, pixel in found.items()} == PIXELS


def test_markups_on_the_place_that_the_tags_say_are_read_too(tmp_path: Path) -> None:
    path = xray(tmp_path, XA)
    placed = {name: [-10.0, -20.0 - 0.7 * u, 30.0 - 0.3 * v] for name, (u, v) in PIXELS.items()}
    found = pixels_on_image(placed, MARKUPS, path)
    assert {name: pytest.approx(pixel) for name, pixel in found.items()} == PIXELS


def test_a_single_point_where_both_places_meet_is_not_guessed(tmp_path: Path) -> None:
    dataset = pydicom.dcmread(xray(tmp_path, XA))
    dataset.ImagePositionPatient, dataset.ImageOrientationPatient = [7, 3, 0], [1, 0, 0, 0, 1, 0]
    dataset.save_as(tmp_path / "xray.dcm")
    with pytest.raises(InputError, match=r"at other pixels: give the landmarks as pixels \(CSV\)"):
        pixels_on_image({"a": [-70.0, -30.0, 0.0]}, MARKUPS, tmp_path / "xray.dcm")


def test_every_frame_of_a_sequence_lies_at_the_same_place(tmp_path: Path) -> None:
    path = xray(tmp_path, XA, frames=3, placed=False)
    places = {name: [-0.7 * u, -0.3 * v, 0.0] for name, (u, v) in PIXELS.items()}
    for frame in range(3):
        found = pixels_on_image(places, MARKUPS, path, frame)
        assert {name: pytest.approx(pixel) for name, pixel in found.items()} == PIXELS


def test_a_radiograph_lies_where_its_tags_say(tmp_path: Path) -> None:
    path = xray(tmp_path, CR)
    placed = {name: [-10.0, -20.0 - 0.7 * u, 30.0 - 0.3 * v] for name, (u, v) in PIXELS.items()}
    found = pixels_on_image(placed, MARKUPS, path)
    assert {name: pytest.approx(pixel) for name, pixel in found.items()} == PIXELS
