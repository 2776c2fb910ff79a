"""What ITK does not check in a transform file: that it holds one transform, all of it, in numbers that are finite.

Of several transforms in one file ITK's reader for Python takes the first without an error, surplus parameters are
dropped, and a damaged HDF5 file can end the process. So each format is looked through before ITK gets it: text
(itkTxtTransformIO), HDF5 (itkHDF5TransformIO) and MATLAB version 4 (itkMatlabTransformIO, which ANTs writes).
"""

from __future__ import annotations

import re
import struct
from pathlib import Path

from SphericalRegLib.errors import InputError
from SphericalRegLib.text_files import MAX_BYTES, existing_file, finite_numbers, read_text

_TEXT_HEADER = "#Insight Transform File V1.0"
_HDF5_SIGNATURE = b"\x89HDF\r\n\x1a\n"
_CLASS = re.compile(rb"[A-Za-z0-9]+Transform_(?:double|float)_[0-9]_[0-9]")
_COMPOSITE = "CompositeTransform"
# Parameters of ITK's linear transforms in 3D.
_PARAMETERS = {
    "AffineTransform": (12,),
    "MatrixOffsetTransformBase": (12,),
    "Euler3DTransform": (6,),
    "Rigid3DTransform": (12,),
    "ScaleSkewVersor3DTransform": (15,),
    "ScaleTransform": (3,),
    "ScaleVersor3DTransform": (9,),
    "Similarity3DTransform": (7,),
    "TranslationTransform": (3,),
    "VersorRigid3DTransform": (6,),
    "VersorTransform": (3,),
}
_EXPORT = "export it from 3D Slicer again"


def check_transform(path: str | Path) -> None:
    """Refuse a file that ITK would read wrongly, or stumble over.

    Args:
        path: by its suffix HDF5 (``.h5``), MATLAB (``.mat``), else text (``.tfm``, ``.txt``).

    Raises:
        InputError: for another kind of file, a truncated one, several transforms that are no composite, and parameters
            that are too many or not finite.
    """
    path = existing_file(path)
    suffix = path.suffix.lower()
    if suffix not in (".h5", ".mat"):
        _check_text(path)
        return
    if path.stat().st_size > MAX_BYTES:
        raise InputError(
            f"{path} holds more than {MAX_BYTES / 2**20:g} MiB, too much for a rigid transform: {_EXPORT}."
        )
    content = path.read_bytes()
    names = _hdf5_classes(path, content) if suffix == ".h5" else _matlab_classes(path, content)
    _check_one(path, [name.partition("_")[0] for name in names])


def _check_text(path: Path) -> None:
    lines = [line.strip() for line in read_text(path).splitlines()]
    if lines[:1] != [_TEXT_HEADER]:
        hint = "a calibration, not a pose" if lines[0].lower() == "image size" else "no ITK transform"
        raise InputError(
            f"{path} begins with {lines[0][:60]!r}: it is {hint}. A pose is an ITK transform (.tfm, .h5), as 3D Slicer "
            "writes it, or a JSON file."
        )
    names: list[str] = []
    for line in lines:
        key, _, value = line.partition(":")
        if key == "Transform":
            names.append(value.strip().partition("_")[0])
        elif key in ("Parameters", "FixedParameters"):
            numbers = [_number(word) for word in value.split()]
            finite_numbers(numbers, (len(numbers),), f"{path}: {key}")
            wanted = _PARAMETERS.get(names[-1] if names else "")
            if key == "Parameters" and wanted is not None and len(numbers) not in wanted:
                raise InputError(
                    f"{path}: {names[-1]} has {len(numbers)} parameters, not {wanted[0]}: it is truncated or damaged. "
                    f"{_EXPORT.capitalize()}."
                )
    _check_one(path, names)


def _number(word: str) -> float | str:
    try:
        return float(word)
    except ValueError:
        return word


def _check_one(path: Path, names: list[str]) -> None:
    if not names:
        raise InputError(f"{path} holds no transform: {_EXPORT}.")
    if len(names) > 1 and _COMPOSITE not in names:
        raise InputError(
            f"{path} holds {len(names)} transforms ({', '.join(names[:6])}), and does not say how they belong "
            f"together: save each to a file of its own, or all as one {_COMPOSITE}."
        )


def _hdf5_classes(path: Path, content: bytes) -> list[str]:
    """Classes of the transforms, which HDF5 keeps as plain text. Layout of the superblock: HDF5 specification, II.A."""
    end = None
    if content.startswith(_HDF5_SIGNATURE) and len(content) >= 48:
        (end,) = struct.unpack_from("<Q", content, 40 if content[8] < 2 else 28)
    if end is None or content[8] > 3:
        raise InputError(f"{path} is no HDF5 file, which its name says: {_EXPORT}.")
    if end > len(content):
        raise InputError(f"{path} is truncated: it announces {end} bytes and {len(content)} are there. {_EXPORT}.")
    return [name.decode() for name in _CLASS.findall(content)]


def _matlab_classes(path: Path, content: bytes) -> list[str]:
    """Names of the variables but "fixed": they are the classes. Layout: MAT-File Format, version 4."""
    names: list[str] = []
    at = 0
    while at < len(content):
        length = None
        if len(content) - at >= 20:
            order = "<" if 0 <= struct.unpack_from("<i", content, at)[0] < 5000 else ">"
            kind, rows, columns, imaginary, length = struct.unpack_from(f"{order}5i", content, at)
            kind %= 1000  # thousands tell the byte order
        if length is None or kind not in (0, 10) or min(rows, columns) < 0 or imaginary or not 0 < length < 200:
            raise InputError(f"{path} is no MATLAB file of version 4, as ITK and ANTs write transforms: {_EXPORT}.")
        raw = content[at + 20 : at + 20 + length].rstrip(b"\0")
        if raw != b"fixed" and not _CLASS.fullmatch(raw):
            raise InputError(f"{path} holds a MATLAB variable {raw[:60]!r}, which is no transform of ITK's: {_EXPORT}.")
        name = raw.decode()
        at += 20 + length + rows * columns * (8 if kind == 0 else 4)
        if name != "fixed":
            names.append(name)
    if at > len(content):
        raise InputError(f"{path} is truncated: it announces {at} bytes and {len(content)} are there. {_EXPORT}.")
    return names
