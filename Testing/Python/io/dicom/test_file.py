"""Damaged DICOM files are errors that name the file, whatever pydicom, zlib or a decoder makes of them."""

import warnings
import zlib

import numpy as np
import pydicom
import pytest
from pydicom.uid import DeflatedExplicitVRLittleEndian

from SphericalRegLib.errors import InputError
from SphericalRegLib.io.dicom import file as dicom_file
from SphericalRegLib.io.dicom.file import read_dataset
from SphericalRegLib.io.dicom.sent_pixels import check_dicom_pixels
from SphericalRegLib.io.xray import read_xray
from Testing.Fuzz import dicom_seeds


@pytest.fixture
def seeds(tmp_path):
    return {path.stem: path for path in dicom_seeds.xrays(tmp_path)}


def test_whole_files_are_read(seeds):
    for path in seeds.values():
        check_dicom_pixels(path)
        assert read_dataset(path, pixels=False, tags=["Rows"]).Rows in (20, 80)


def test_sequences_nested_without_end(seeds):
    content = seeds["xa"].read_bytes()
    at = content.index(b"\x08\x00\x60\x00CS")
    nest = b"\x08\x00\x40\x11SQ\0\0\xff\xff\xff\xff\xfe\xff\x00\xe0\xff\xff\xff\xff"
    seeds["xa"].write_bytes(content[:at] + nest * 5000 + content[at:])
    with pytest.raises(InputError, match="nested too deeply"):
        read_xray(seeds["xa"])


def test_a_length_of_four_gib_sets_nothing_aside(seeds, monkeypatch):
    content = seeds["xa"].read_bytes()
    at = content.index(b"\xe0\x7f\x10\x00OW")
    seeds["xa"].write_bytes(content[: at + 8] + b"\xfe\xff\xff\xff" + content[at + 12 :])
    asked = []
    read = dicom_file._WithinFile.read

    def noted(self, size=-1, /):
        data = read(self, size)
        asked.append(len(data))
        return data

    monkeypatch.setattr(dicom_file._WithinFile, "read", noted)
    read_dataset(seeds["xa"])
    assert max(asked) < 2000


@pytest.mark.parametrize(
    ("damage", "match"),
    [
        (lambda deflated: deflated[: len(deflated) // 2], "xa_deflated"),
        (lambda deflated: b"\xff" + deflated[1:], "xa_deflated.*zlib|xa_deflated.*error"),
        (lambda deflated: _deflated(bytes(3 * 2**20)), "inflates to more than"),
    ],
)
def test_deflated_files(damage, match, seeds, monkeypatch):
    monkeypatch.setattr(dicom_file, "_MOST_INFLATED", 2**21)
    path = seeds["xa_deflated"]
    content = path.read_bytes()
    start = 144 + int.from_bytes(content[140:144], "little")
    path.write_bytes(content[:start] + damage(content[start:]))
    with pytest.raises(InputError, match=match):
        read_xray(path)


def _deflated(content: bytes) -> bytes:
    packer = zlib.compressobj(9, zlib.DEFLATED, -zlib.MAX_WBITS)
    return packer.compress(content) + packer.flush()


def test_a_deflated_file_without_the_length_of_its_meta_information(seeds):
    dataset = pydicom.dcmread(seeds["xa"])
    content = seeds["xa_deflated"].read_bytes()
    assert dataset.Rows == 20
    seeds["xa_deflated"].write_bytes(content[:132] + content[144:])
    with pytest.raises(InputError, match="lacks the length"):
        read_dataset(seeds["xa_deflated"])
    assert DeflatedExplicitVRLittleEndian.encode() in content


@pytest.mark.parametrize(
    ("name", "tags", "match"),
    [
        ("xa", {"Rows": 60000, "Columns": 60000}, "the most are 100000000"),
        ("xa", {"Rows": 9000, "Columns": 9000}, "truncated: 9000 × 9000 pixels"),
        ("xa_frames", {"NumberOfFrames": 2**31 - 1}, "truncated|frames"),
        ("xa_rle", {"Rows": 9000, "Columns": 9000}, "compressed bytes"),
        ("xa_rle", {"Columns": 15}, "does not hold 15 × 20 pixels"),
        ("xa_rle", {"Columns": 25}, "does not hold 25 × 20 pixels"),
        ("xa_jpeg", {"Rows": 500, "Columns": 500}, "says 24 × 20 pixels"),
        ("xa_j2k", {"Rows": 500, "Columns": 500}, "says 72 × 80 pixels"),
        ("xa", {"BitsAllocated": 7}, "BitsAllocated 7|no image"),
    ],
)
def test_pixels_that_cannot_be_there(name, tags, match, seeds):
    dataset = pydicom.dcmread(seeds[name])
    for keyword, value in tags.items():
        setattr(dataset, keyword, value)
    pydicom.dcmwrite(seeds[name], dataset)
    with pytest.raises(InputError, match=match):
        read_xray(seeds[name], frame=0)


@pytest.mark.parametrize(
    ("at", "value"), [(8, 2**31), (12, 2**31), (24, 1), (24, 0), (28, 1), (16, 60), (36, 16000 << 16)]
)
def test_jpeg_2000_whose_own_numbers_are_a_bomb(at, value, seeds):
    content = bytearray(seeds["xa_j2k"].read_bytes())
    start = content.index(b"\xff\x4f\xff\x51")
    content[start + at : start + at + 4] = value.to_bytes(4, "big")
    if (at, value) in ((24, 1), (28, 1)):  # a tile for each column is allowed as such, 2**31 wide is not
        content[start + 8 : start + 12] = (2**31).to_bytes(4, "big")
    seeds["xa_j2k"].write_bytes(content)
    with pytest.raises(InputError, match="compressed frame 0"):
        read_xray(seeds["xa_j2k"])


def test_warnings_are_not_printed(seeds):
    dataset = pydicom.dcmread(seeds["xa"])
    content = seeds["xa"].read_bytes().replace(b"1.2.3.4\0", b"1.2.3.x\0")
    seeds["xa"].write_bytes(content)
    assert dataset.Rows == 20
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert np.isfinite(read_xray(seeds["xa"]).image).all()
