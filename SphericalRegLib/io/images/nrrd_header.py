"""What is checked of an NRRD header before ITK reads it: its reader ends the process over some damaged ones.

Over a line that it cannot parse, it prints the line into a buffer of fixed length. So a field's line must be one that
it can parse, or short. Format: https://teem.sourceforge.net/nrrd/format.html.
"""

from __future__ import annotations

import math
import re
from collections.abc import Mapping
from pathlib import Path

from SphericalRegLib.errors import InputError
from SphericalRegLib.io.images.data_file import check_length, data_file

# Bytes of a header: Slicer's segmentations have some hundred lines of a few hundred bytes.
_LONGEST_HEADER = 2**24
# Bytes of a field's line, but for free text; an image of three axes has none above 300.
_LONGEST_FIELD = 900
_FREE_TEXT = ("content",)
# ITK's images have no more axes.
_MOST_AXES = 5
# Bytes of one value by the names that NRRD gives them.
_TYPES = {
    1: ("signed char", "int8", "int8_t", "uchar", "unsigned char", "uint8", "uint8_t"),
    2: ("short", "short int", "signed short", "signed short int", "int16", "int16_t", "ushort", "unsigned short")
    + ("unsigned short int", "uint16", "uint16_t"),
    4: ("int", "signed int", "int32", "int32_t", "uint", "unsigned int", "uint32", "uint32_t", "float"),
    8: ("longlong", "long long", "long long int", "signed long long", "signed long long int", "int64", "int64_t")
    + ("ulonglong", "unsigned long long", "unsigned long long int", "uint64", "uint64_t", "double"),
}
_BYTES_OF = {name: size for size, names in _TYPES.items() for name in names}
_ENCODINGS = {"raw": "raw", "txt": "text", "text": "text", "ascii": "text", "hex": "text"}
_ENCODINGS |= {"gz": "packed", "gzip": "packed", "bz2": "packed", "bzip2": "packed"}
_KNOWN = {
    "dimension", "type", "sizes", "encoding", "endian", "content", "min", "max", "oldmin", "oldmax", "number",
    "blocksize", "spacings", "thicknesses", "axismins", "axismaxs", "centers", "centerings", "labels", "units", "kinds",
    "space", "spacedimension", "spaceunits", "spaceorigin", "spacedirections", "measurementframe", "datafile",
    "lineskip", "byteskip", "sampleunits",
}  # fmt: skip


def check_nrrd(path: Path) -> None:
    """Check an NRRD or NHDR file's header, and that its pixels can be there.

    Raises:
        InputError: for a header that cannot be right; the message names the line, or the numbers.
    """
    fields, length = _fields(path)
    for key in ("dimension", "type", "sizes", "encoding"):
        if key not in fields:
            raise InputError(f"{path} lacks the NRRD field {key!r}: export it again.")
    axes = _whole(path, fields, "dimension", 1, _MOST_AXES)
    words = fields["sizes"].split()
    if len(words) != axes or not all(re.fullmatch(r"[1-9]\d{0,9}", word) for word in words):
        raise InputError(f"{path} has the sizes {fields['sizes'][:80]!r}, where {axes} whole numbers ≥ 1 belong.")
    kind = _BYTES_OF.get(" ".join(fields["type"].lower().split()))
    encoding = _ENCODINGS.get(fields["encoding"].lower())
    if kind is None or encoding is None:
        wrong = "type" if kind is None else "encoding"
        raise InputError(f"{path} has the NRRD {wrong} {fields[wrong][:80]!r}, which is not read: export it again.")
    if kind > 1 and encoding != "text" and fields.get("endian", "").lower() not in ("little", "big"):
        raise InputError(f"{path} has values of {kind} bytes and does not say their order (endian): export it again.")
    _whole(path, fields, "lineskip", 0, _LONGEST_HEADER)
    skipped = _whole(path, fields, "byteskip", -1, 2**40)
    present = _data_bytes(path, fields, length)
    promised = math.prod(int(word) for word in words) * (kind if encoding != "text" else 1)
    check_length(path, promised, present - max(skipped, 0), encoding == "packed", 10_000)


def _fields(path: Path) -> tuple[dict[str, str], int]:
    """The header's fields by name in lower case without spaces, and its bytes."""
    fields: dict[str, str] = {}
    try:
        with path.open("rb") as file:
            length = len(file.readline(16))
            while (line := file.readline(_LONGEST_HEADER)).strip(b"\r\n"):
                length += len(line)
                if length > _LONGEST_HEADER:
                    raise InputError(f"{path} has an NRRD header above {_LONGEST_HEADER} bytes: export it again.")
                text = line.decode("latin-1").strip()
                if not text.startswith("#") and ":=" not in text.partition(": ")[0]:
                    name, value = _field(path, text)
                    if name in fields:
                        raise InputError(f"{path} has two NRRD fields {name!r}: export it again.")
                    fields[name] = value
                    if name == "datafile" and value.upper().startswith("LIST"):
                        length += _add_list(path, file.read(_LONGEST_HEADER), fields)
                        break
            else:
                length += len(line)
    except OSError as error:
        raise InputError(f"{path} cannot be read: {error.strerror or error}.") from None
    return fields, length


def _field(path: Path, text: str) -> tuple[str, str]:
    name, colon, value = text.partition(":")
    name = re.sub(r"[\s]", "", name.lower())
    if not colon or name not in _KNOWN or "\0" in text:
        raise InputError(f"{path} has the line {text[:80]!r} in its NRRD header, which is no field: export it again.")
    if len(text) > _LONGEST_FIELD and name not in _FREE_TEXT:
        raise InputError(
            f"{path} has a line of {len(text)} bytes in its NRRD header ({text[:40]!r} ...): export it again."
        )
    return name, value.strip()


def _add_list(path: Path, rest: bytes, fields: dict[str, str]) -> int:
    """The names of data files that follow to the header's end."""
    fields["datafiles"] = rest.decode("latin-1")
    return len(rest)


def _data_bytes(path: Path, fields: Mapping[str, str], length: int) -> int:
    """Bytes of data behind the header, or in the files that it names."""
    name = fields.get("datafile")
    if name is None:
        return path.stat().st_size - length
    if "datafiles" in fields:
        names = [line.strip() for line in fields["datafiles"].splitlines() if line.strip()]
    elif "%" in name:
        names = _numbered(path, name)
    else:
        names = [name]
    if not names:
        raise InputError(f"{path} names no data file: export it again, as one file (.nrrd).")
    return sum(data_file(path, each).stat().st_size for each in names)


def _numbered(path: Path, pattern: str) -> list[str]:
    """Names of the form ``slice%03d.raw 1 20 1``."""
    match = re.fullmatch(r"([^%]*%0?\d?d[^%]*?)\s+(-?\d{1,6})\s+(-?\d{1,6})\s+(-?\d{1,6})(?:\s+\d)?", pattern)
    numbers = [int(match[n]) for n in (2, 3, 4)] if match else [0, 0, 0]
    if match is None or numbers[2] == 0:
        raise InputError(f"{path} names its data files by {pattern[:80]!r}, not by a pattern as 'a%03d.raw 1 20 1'.")
    first, last, step = numbers
    return [match[1] % n for n in range(first, last + (1 if step > 0 else -1), step)]


def _whole(path: Path, fields: Mapping[str, str], key: str, least: int, most: int) -> int:
    text = fields.get(key, "0" if least <= 0 else "")
    if not re.fullmatch(r"-?\d{1,15}", text) or not least <= int(text) <= most:
        raise InputError(f"{path} has the NRRD field {key!r} = {text[:40]!r}, which must be {least} to {most}.")
    return int(text)
