"""Frames of a compressed run: each is decoded by itself, and is the one that was asked for."""

import cv2
import numpy as np
import pytest
from pydicom.encaps import encapsulate
from pydicom.uid import JPEGBaseline8Bit

from SphericalRegLib.errors import InputError
from SphericalRegLib.io.dicom.xray import read_dicom_xray
from Testing.Python.io.builders import xray_dataset


def pictures() -> list[np.ndarray]:
    rows, columns = np.indices((24, 32))
    return [(20 + 40 * number + 2 * rows + columns).astype(np.uint8) for number in range(4)]


def written(path, frames, count):
    dataset = xray_dataset(np.zeros((24, 32), np.uint8), NumberOfFrames=count)
    dataset.file_meta.TransferSyntaxUID = JPEGBaseline8Bit
    dataset.PixelData = encapsulate(frames)
    dataset["PixelData"].VR = "OB"
    dataset["PixelData"].is_undefined_length = True
    dataset.save_as(path, enforce_file_format=True)
    return path


def test_each_frame_of_a_jpeg_run_is_its_own(tmp_path):
    frames = [cv2.imencode(".jpg", picture, [cv2.IMWRITE_JPEG_QUALITY, 98])[1].tobytes() for picture in pictures()]
    path = written(tmp_path / "run.dcm", frames, 4)
    for number in (2, 0, 3):
        values = read_dicom_xray(path, number).values
        assert values.shape == (24, 32)
        assert np.abs(values - pictures()[number]).max() <= 4


def test_a_run_that_lacks_frames_is_refused(tmp_path):
    frames = [cv2.imencode(".jpg", picture)[1].tobytes() for picture in pictures()[:2]]
    with pytest.raises(InputError, match=r"run\.dcm"):
        read_dicom_xray(written(tmp_path / "run.dcm", frames, 4), 3)
