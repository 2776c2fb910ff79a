"""What is checked of a MetaImage header (MHA, MHD) before ITK reads it.

Its reader keeps ten axes in fields of fixed length, and opens whatever file the header names. Format:
https://itk.org/Wiki/ITK/MetaIO/Documentation.
"""

from __future__ import annotations

import math
import re
from pathlib import Path

from SphericalRegLib.errors import InputError
from SphericalRegLib.io.images.data_file import check_length, data_file

_LONGEST_HEADER = 2**20
# Bytes of a line; MetaIO's own buffers have some thousand.
_LONGEST_LINE = 2000
_MOST_AXES = 5
_BYTES_OF = {
    "MET_CHAR": 1, "MET_UCHAR": 1, "MET_SHORT": 2, "MET_USHORT": 2, "MET_INT": 4, "MET_UINT": 4, "MET_LONG": 4,
    "MET_ULONG": 4, "MET_LONG_LONG": 8, "MET_ULONG_LONG": 8, "MET_FLOAT": 4, "MET_DOUBLE": 8,
}  # fmt: skip
_FIRST_LINE = re.compile(rb"\s*(ObjectType|NDims|Comment|FormTypeName|ID|Name|ObjectSubType)\s*=", re.IGNORECASE)


def is_meta_image(start: bytes) -> bool:
    """Whether a file that starts so is a MetaImage."""
    return _FIRST_LINE.match(start) is not None


def check_meta_image(path: Path) -> None:
    """Check a MetaImage's header, and that its pixels can be there.

    Raises:
        InputError: for a header that cannot be right; the message names the line, or the numbers.
    """
    fields, length = _fields(path)
    for key in ("NDims", "DimSize", "ElementType", "ElementDataFile"):
        if key not in fields:
            raise InputError(f"{path} lacks the MetaImage field {key}: export it again.")
    if fields.get("ObjectType", "Image").lower() != "image":
        raise InputError(f"{path} holds the MetaIO object {fields['ObjectType'][:40]!r}, not an image.")
    axes = _whole(path, fields, "NDims", _MOST_AXES)
    words = fields["DimSize"].split()
    if len(words) != axes or not all(re.fullmatch(r"[1-9]\d{0,9}", word) for word in words):
        raise InputError(f"{path} has DimSize = {fields['DimSize'][:80]!r}, where {axes} whole numbers ≥ 1 belong.")
    kind = _BYTES_OF.get(fields["ElementType"])
    if kind is None:
        raise InputError(f"{path} has the ElementType {fields['ElementType'][:40]!r}, which is not read.")
    channels = _whole(path, fields, "ElementNumberOfChannels", 1000) if "ElementNumberOfChannels" in fields else 1
    present = _data_bytes(path, fields["ElementDataFile"], length)
    packed = fields.get("CompressedData", "False").lower() in ("true", "t", "1")
    check_length(path, math.prod(int(word) for word in words) * kind * channels, present, packed)


def _fields(path: Path) -> tuple[dict[str, str], int]:
    """The header's fields, and its bytes; ElementDataFile is the last one."""
    fields: dict[str, str] = {}
    length = 0
    try:
        with path.open("rb") as file:
            while "ElementDataFile" not in fields and (line := file.readline(_LONGEST_LINE + 1)):
                length += len(line)
                name, sign, value = line.decode("latin-1").partition("=")
                if len(line) > _LONGEST_LINE or length > _LONGEST_HEADER or "\0" in name + value:
                    raise InputError(f"{path} has a MetaImage header with endless or binary lines: export it again.")
                if not sign and name.strip():
                    raise InputError(f"{path} has the line {name[:80]!r} in its header, which is no field.")
                if (name := name.strip()) in fields:
                    raise InputError(f"{path} has two MetaImage fields {name!r}: export it again.")
                if name:
                    fields[name] = value.strip()
    except OSError as error:
        raise InputError(f"{path} cannot be read: {error.strerror or error}.") from None
    return fields, length


def _data_bytes(path: Path, name: str, length: int) -> int:
    if name.upper() == "LOCAL":
        return path.stat().st_size - length
    if name.upper().startswith("LIST") or "%" in name:
        raise InputError(f"{path} keeps its pixels in a list of files ({name[:60]!r}): save it as one .mha file.")
    return data_file(path, name).stat().st_size


def _whole(path: Path, fields: dict[str, str], key: str, most: int) -> int:
    text = fields[key]
    if not re.fullmatch(r"\d{1,9}", text) or not 1 <= int(text) <= most:
        raise InputError(f"{path} has the MetaImage field {key} = {text[:40]!r}, which must be 1 to {most}.")
    return int(text)
