"""Files that ended the process, made it read other files, or took memory without end, are refused with the reason."""

import gzip
import os
import struct
import sys
import zlib

import cv2
import numpy as np
import pytest
import SimpleITK

from SphericalRegLib.errors import InputError
from SphericalRegLib.io.images.itk_io import read_header, read_pixels
from SphericalRegLib.io.images.native_output import native_output
from SphericalRegLib.io.xray import read_xray

NRRD = (
    b"NRRD0005\ntype: short\ndimension: 3\nsizes: 4 4 4\nspace: left-posterior-superior\n"
    b"space directions: (1,0,0) (0,1,0) (0,0,1)\nkinds: domain domain domain\nspace origin: (0,0,0)\n"
    b"encoding: raw\nendian: little\n"
)
META = (
    b"ObjectType = Image\nNDims = 3\nBinaryData = True\nBinaryDataByteOrderMSB = False\nCompressedData = False\n"
    b"DimSize = 4 4 4\nElementType = MET_SHORT\n"
)
DATA = np.arange(64, dtype="<i2").tobytes()


def values_of(path):
    return read_pixels(read_header(path))


@pytest.mark.parametrize(
    ("line", "changed", "match"),
    [
        (b"type: short", b"type: " + b"s" * 1100, "line of 1106 bytes"),
        (b"kinds: domain domain domain", b"kinds: " + b"k" * 1100, "line of 1107 bytes"),
        (b"encoding: raw", b"encoding: " + b"r" * 1100, "line of 1110 bytes"),
        (b"encoding: raw", b"encoding: raw\n" + b"y" * 1100, "which is no field"),
        (b"dimension: 3", b"dimension: 16", "must be 1 to 5"),
        (b"dimension: 3", b"dimension: 99999999999999999999", "must be 1 to 5"),
        (b"sizes: 4 4 4", b"sizes: 4 4 -4", "whole numbers"),
        (b"sizes: 4 4 4", b"sizes: 4294967296 4294967296 4", "it announces|It announces"),
        (b"sizes: 4 4 4", b"sizes: 4 4 " + b"4" * 2000, "line of"),
        (b"type: short", b"type: block", "type 'block'"),
        (b"endian: little\n", b"", "their order"),
        (b"encoding: raw", b"encoding: raw\nbyte skip: -100", "must be -1"),
        (b"encoding: raw", b"encoding: raw\nline skip: 9999999999", "must be 0"),
        (b"encoding: raw", b"encoding: raw\nsizes: 4 4 4", "two NRRD fields"),
        (b"endian: little", b"endian: little\ndata file: /dev/zero", "not in its folder"),
        (b"endian: little", b"endian: little\ndata file: ../other.raw", "not in its folder"),
        (b"endian: little", b"endian: little\ndata file: absent.raw", "no file"),
        (b"endian: little", b"endian: little\ndata file: a%99999999d.raw 1 3 1", "pattern"),
    ],
)
def test_nrrd_headers_that_cannot_be_right(line, changed, match, tmp_path):
    path = tmp_path / "ct.nrrd"
    assert line in NRRD
    path.write_bytes(NRRD.replace(line, changed) + b"\n" + DATA)
    with pytest.raises(InputError, match=match):
        read_header(path)


def test_nrrd_headers_with_long_free_text_are_read(tmp_path):
    # Slicer's segmentations have such key:=value lines
    lines = b"# " + b"c" * 5000 + b"\nSegmentation_ConversionParameters:=" + b"x: y|" * 2000 + b"\n"
    (tmp_path / "ct.nrrd").write_bytes(NRRD + lines + b"content: " + b"z" * 3000 + b"\n\n" + DATA)
    assert values_of(tmp_path / "ct.nrrd").ravel().tolist() == list(range(64))


def test_detached_data_beside_its_header_is_read(tmp_path):
    (tmp_path / "ct.raw").write_bytes(DATA)
    (tmp_path / "ct.nhdr").write_bytes(NRRD + b"data file: ct.raw\n")
    (tmp_path / "ct.mhd").write_bytes(META + b"ElementDataFile = ct.raw\n")
    for name in ("ct.nhdr", "ct.mhd"):
        assert values_of(tmp_path / name).ravel().tolist() == list(range(64))
    for number in range(4):
        (tmp_path / f"s{number:02d}.raw").write_bytes(DATA[32 * number : 32 * number + 32])
    (tmp_path / "list.nhdr").write_bytes(NRRD + b"data file: s%02d.raw 0 3 1\n")
    assert values_of(tmp_path / "list.nhdr").ravel().tolist() == list(range(64))


@pytest.mark.parametrize(
    ("line", "changed", "match"),
    [
        (b"NDims = 3", b"NDims = 4000000", "must be 1 to 5"),
        (b"NDims = 3", b"NDims = 11", "must be 1 to 5"),
        (b"NDims = 3\n", b"", "lacks the MetaImage field NDims"),
        (b"DimSize = 4 4 4", b"DimSize = 60000 60000 4", "It announces"),
        (b"DimSize = 4 4 4", b"DimSize = 4 4", "3 whole numbers"),
        (b"DimSize = 4 4 4", b"DimSize = 4 4 4" + b" 4" * 4000, "endless"),
        (b"MET_SHORT", b"MET_STRING", "ElementType"),
        (b"ObjectType = Image", b"ObjectType = Scene", "not an image"),
        (b"ElementDataFile = LOCAL", b"ElementDataFile = /dev/zero", "not in its folder"),
        (b"ElementDataFile = LOCAL", b"ElementDataFile = LIST", "list of files"),
    ],
)
def test_meta_headers_that_cannot_be_right(line, changed, match, tmp_path):
    whole = META + b"ElementDataFile = LOCAL\n"
    assert line in whole
    (tmp_path / "ct.mha").write_bytes(whole.replace(line, changed) + DATA)
    with pytest.raises(InputError, match=match):
        read_header(tmp_path / "ct.mha")


@pytest.mark.parametrize(
    ("name", "start", "match"),
    [
        ("ct.h5", b"\x89HDF\r\n\x1a\n" + bytes(600), "HDF5"),
        ("ct.nrrd", b"\x89HDF\r\n\x1a\n" + bytes(600), "HDF5"),
        ("ct.vtk", b"# vtk DataFile Version 3.0\n", "VTK"),
        ("ct.zip", b"PK\x03\x04" + bytes(100), "ZIP"),
        ("ct.gipl", bytes(600), "no image of a known format"),
        ("ct.nrrd", b"plain words " * 20, "no image of a known format"),
        ("ct.hdr", b"\x5c\x01\0\0" + bytes(340) + b"ni1\0", "in two files"),
        ("ct.gz", gzip.compress(b"not an image", mtime=0), "holds no NIfTI"),
    ],
)
def test_other_formats_are_refused_by_name(name, start, match, tmp_path):
    (tmp_path / name).write_bytes(start)
    with pytest.raises(InputError, match=match):
        read_header(tmp_path / name)


def test_the_content_decides_and_not_the_name(tmp_path):
    image = SimpleITK.GetImageFromArray(np.arange(64, dtype=np.int16).reshape(4, 4, 4))
    SimpleITK.WriteImage(image, str(tmp_path / "ct.mha"))
    (tmp_path / "ct.dat").write_bytes((tmp_path / "ct.mha").read_bytes())
    assert values_of(tmp_path / "ct.dat").ravel().tolist() == list(range(64))


def _png(width: int, height: int, data: bytes) -> bytes:
    def chunk(name: bytes, content: bytes) -> bytes:
        return struct.pack(">I", len(content)) + name + content + struct.pack(">I", zlib.crc32(name + content))

    header = chunk(b"IHDR", struct.pack(">IIBBBBB", width, height, 8, 0, 0, 0, 0))
    return b"\x89PNG\r\n\x1a\n" + header + chunk(b"IDAT", data) + chunk(b"IEND", b"")


def test_pictures_larger_than_any_x_ray_are_refused_before_they_are_unpacked(tmp_path):
    (tmp_path / "x.png").write_bytes(_png(60000, 60000, zlib.compress(bytes(10))))
    with pytest.raises(InputError, match=r"which a PNG file of .* bytes cannot hold"):
        read_xray(tmp_path / "x.png", sdd=1000, spacing=(0.2, 0.2))
    (tmp_path / "x.png").write_bytes(_png(12000, 12000, zlib.compress(bytes(12001 * 12000))))
    with pytest.raises(InputError, match="12000 × 12000 pixels: the most are 100000000"):
        read_xray(tmp_path / "x.png", sdd=1000, spacing=(0.2, 0.2))


def test_a_jpeg_with_damaged_pixels_is_refused_and_nothing_printed(tmp_path, capfd):
    pixels = np.random.default_rng(0).integers(0, 255, (64, 64)).astype(np.uint8)
    whole = cv2.imencode(".jpg", pixels)[1].tobytes()
    (tmp_path / "x.jpg").write_bytes(whole)
    assert values_of(tmp_path / "x.jpg").shape == (64, 64)
    # the decoder fills the rest with gray, and only prints that it does
    (tmp_path / "x.jpg").write_bytes(whole[: len(whole) // 2])
    with pytest.raises(InputError, match="Premature end"):
        values_of(tmp_path / "x.jpg")
    assert capfd.readouterr() == ("", "")


def test_what_is_printed_within_is_kept_and_what_was_printed_before_arrives(capfd):
    print("before", end="")
    with native_output() as lines:
        os.write(1, b"first\n")
        os.write(2, b"second\n")
    print(" after", end="")
    assert lines == ["first", "second"]
    assert capfd.readouterr() == ("before after", "")


@pytest.mark.skipif(sys.platform == "win32", reason="Windows has no named pipes in folders")
def test_a_pipe_does_not_hang(tmp_path):
    os.mkfifo(tmp_path / "ct.nrrd")
    with pytest.raises(InputError, match="no ordinary file"):
        read_header(tmp_path / "ct.nrrd")


@pytest.mark.parametrize(
    ("at", "kind", "value"),
    [(40, "h", 30000), (40, "h", -1), (42, "h", -4), (70, "h", 64), (70, "h", 7), (72, "h", 8), (108, "f", -352.0)],
)
def test_nifti_headers_that_contradict_themselves(at, kind, value, tmp_path):
    path = tmp_path / "ct.nii"
    SimpleITK.WriteImage(SimpleITK.GetImageFromArray(np.zeros((4, 4, 4), np.int16)), str(path))
    content = bytearray(path.read_bytes())
    struct.pack_into("<" + kind, content, at, value)
    path.write_bytes(content)
    with pytest.raises(InputError, match="contradicts itself"):
        read_header(path)


@pytest.mark.parametrize("zipped", [False, True])
def test_nifti_headers_that_promise_too_much(zipped, tmp_path):
    path = tmp_path / "ct.nii"
    SimpleITK.WriteImage(SimpleITK.GetImageFromArray(np.zeros((4, 4, 4), np.int16)), str(path))
    content = bytearray(path.read_bytes())
    struct.pack_into("<3h", content, 42, 32767, 32767, 32767)
    if zipped:
        path = tmp_path / "ct.nii.gz"
        path.write_bytes(gzip.compress(bytes(content) + bytes(10**6)))
    else:
        path.write_bytes(content)
    with pytest.raises(InputError, match="truncated"):
        read_header(path)
