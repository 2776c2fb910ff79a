"""Damaging a file's bytes: as disks, networks and other programs do, and as nobody does but an attacker."""

from __future__ import annotations

import gzip
import json
import re
import zlib
from collections.abc import Callable
from random import Random

#: A mutated file stays below this: what is tried is the readers, not the disk.
MAX_BYTES = 4 * 2**20

_NUMBER = re.compile(rb"-?\d+(?:\.\d+)?(?:[eE][-+]?\d+)?")
_WORD = re.compile(rb"[A-Za-z_][A-Za-z_0-9-]{2,}")
_NUMBERS = (
    b"0", b"-1", b"1", b"2", b"7", b"16", b"255", b"256", b"65536", b"2147483647", b"2147483648", b"4294967295",
    b"4294967296", b"9223372036854775807", b"18446744073709551616", b"1e400", b"-1e400", b"nan", b"inf", b"1e-320",
    b"0.0000001", b"1000000", b"9" * 30, b"9" * 5000, b"", b"1,5", b"0x10", b"true", b"null", b'"1"', b"[]", b"{}",
)  # fmt: skip
_INTEGERS = (0, 1, 2, 3, 7, 8, 15, 16, 127, 128, 255, 256, 32767, 32768, 65535, 2**31 - 1, 2**31, 2**32 - 1, 2**63 - 1,
             2**63, 2**64 - 1)  # fmt: skip
# Where most formats keep what they say of the rest.
_HEADER = 640


def mutated(content: bytes, random: Random, others: list[bytes]) -> bytes:
    """The content with one to four changes.

    Args:
        content: of a valid file.
        random: decides everything.
        others: contents of other files, to splice with.
    """
    if content[:2] == b"\x1f\x8b" and random.random() < 0.7:
        return gzip.compress(mutated(gzip.decompress(content), random, others), mtime=0)
    if _is_safetensors(content) and random.random() < 0.6:
        return _with_safetensors_header(content, random)
    if (split := _attached_gzip(content)) is not None and random.random() < 0.3:
        head, unpacked = content[:split], gzip.decompress(content[split:])
        return head + gzip.compress(mutated(unpacked, random, others), mtime=0)
    choices: list[Callable[[bytes, Random], bytes]] = [*_BYTES, *_BYTES]
    if content[128:132] == b"DICM":
        choices += 2 * _DICOM
    if _looks_like_text(content[:200]):
        choices += 2 * _TEXT
    for _ in range(random.choice((1, 1, 1, 2, 3, 4))):
        if random.random() < 0.03:
            content = _spliced(content, random.choice(others), random)
        else:
            content = random.choice(choices)(content, random)
        content = content[:MAX_BYTES]
    return content


def _place(content: bytes, random: Random) -> int:
    """An offset, in two of three cases within the header."""
    return random.randrange(max(1, min(len(content), _HEADER) if random.random() < 0.66 else len(content)))


def _flip_bits(content: bytes, random: Random) -> bytes:
    changed = bytearray(content or b"\0")
    for _ in range(random.choice((1, 1, 2, 8))):
        changed[_place(content, random)] ^= 1 << random.randrange(8)
    return bytes(changed)


def _overwrite(content: bytes, random: Random) -> bytes:
    at = _place(content, random)
    block = random.randbytes(random.choice((1, 2, 4, 16, 64)))
    return content[:at] + block + content[at + len(block) :]


def _integer(content: bytes, random: Random) -> bytes:
    """A telling whole number in binary, of 1 to 8 bytes, either byte order."""
    size = random.choice((1, 2, 2, 4, 4, 8))
    value = random.choice(_INTEGERS) % (1 << 8 * size)
    at = _place(content, random) // random.choice((1, size)) * random.choice((1, size))
    return content[:at] + value.to_bytes(size, random.choice(("little", "big"))) + content[at + size :]


def _truncate(content: bytes, random: Random) -> bytes:
    return content[: _place(content, random)]


def _cut_out(content: bytes, random: Random) -> bytes:
    at = _place(content, random)
    return content[:at] + content[at + random.choice((1, 2, 4, 8, 100, 1000)) :]


def _insert(content: bytes, random: Random) -> bytes:
    at = _place(content, random)
    block = random.choice((random.randbytes(random.choice((1, 4, 32))), b"\0" * 64, b"\xff" * 64, b"A" * 3000))
    return content[:at] + block + content[at:]


def _repeat(content: bytes, random: Random) -> bytes:
    at = _place(content, random)
    block = content[at : at + random.choice((1, 8, 64, 512))]
    return content[:at] + block * random.choice((2, 3, 20, 400)) + content[at:]


def _spliced(content: bytes, other: bytes, random: Random) -> bytes:
    return content[: _place(content, random)] + other[_place(other, random) :]


def _text_number(content: bytes, random: Random) -> bytes:
    """One of the numbers of a text becomes another."""
    return _replaced(content, random, _NUMBER, _NUMBERS)


def _text_word(content: bytes, random: Random) -> bytes:
    """One of the words of a text becomes another one of it, or none."""
    words = [match[0] for match in _WORD.finditer(content[:4000])] or [b"x"]
    return _replaced(content, random, _WORD, (random.choice(words), b"", b"\xff\xfe", "µé".encode()))


def _replaced(content: bytes, random: Random, pattern: re.Pattern[bytes], values: tuple[bytes, ...]) -> bytes:
    matches = list(pattern.finditer(content[:6000]))
    if not matches:
        return content
    match = random.choice(matches)
    return content[: match.start()] + random.choice(values) + content[match.end() :]


def _text_line(content: bytes, random: Random) -> bytes:
    """A line is dropped, doubled, moved, made endless, or nested without end."""
    lines = content.split(b"\n")
    at = random.randrange(len(lines))
    line = lines[at]
    lines[at : at + 1] = random.choice(
        (
            [],
            [line, line],
            [line, line * 50],
            [line + b" " + b"x" * random.choice((990, 2000, 100_000))],
            [line + b" 1" * 2000],
            [b"[" * 100_000],
            [b'{"a":' * 50_000],
            [random.choice(lines), line],
        )
    )
    return b"\n".join(lines)


def _explicit_elements(content: bytes) -> list[tuple[int, int, int]]:
    """(start of tag, start of value, its length) of the elements of little-endian explicit VR, outermost level."""
    found, at = [], 132
    while at + 8 <= len(content):
        long = content[at + 4 : at + 6] in (b"OB", b"OW", b"OF", b"OD", b"SQ", b"UN", b"UT", b"UC", b"UR", b"OV")
        start = at + (12 if long else 8)
        length = int.from_bytes(content[at + 8 : at + 12] if long else content[at + 6 : at + 8], "little")
        if length > len(content):
            break
        found.append((at, start, length))
        at = start + length
    return found


def _dicom_value(content: bytes, random: Random) -> bytes:
    """The value of one element becomes another, of the right length or not."""
    elements = _explicit_elements(content)
    if not elements:
        return content
    tag, start, length = random.choice(elements)
    value = content[start : start + length]
    if value.strip(b" \0").replace(b"\\", b"").replace(b".", b"").replace(b"-", b"").isdigit():
        value = _text_number(value, random)
    elif length in (2, 4):
        value = (random.choice(_INTEGERS) % (1 << 8 * length)).to_bytes(length, "little")
    else:
        value = random.choice((b"", b"\xff" * length, value[::-1], value * 3, random.randbytes(length), b"1\\2\\3"))
    value += b" " * (len(value) % 2)
    size = 4 if start - tag == 12 else 2
    if random.random() < 0.8:
        return (
            content[: start - size]
            + (len(value) % (1 << 8 * size)).to_bytes(size, "little")
            + value
            + content[start + length :]
        )
    return content[:start] + value + content[start + length :]


def _dicom_structure(content: bytes, random: Random) -> bytes:
    """An element is dropped, doubled, of another VR, of another length, or a nest of sequences stands before it."""
    elements = _explicit_elements(content)
    if not elements:
        return content
    tag, start, length = random.choice(elements)
    whole = content[tag : start + length]
    kind = random.randrange(5)
    if kind == 0:
        return content[:tag] + content[start + length :]
    if kind == 1:
        return content[:tag] + whole * 2 + content[start + length :]
    if kind == 2:
        vr = random.choice((b"SQ", b"UN", b"OB", b"US", b"SS", b"DS", b"IS", b"FD", b"FL", b"AT", b"ZZ", b"LO", b"UI"))
        return content[: tag + 4] + vr + content[tag + 6 :]
    if kind == 3:
        at = random.choice((start - 2, start - 4))
        return content[:at] + random.choice((b"\xff\xff\xff\xff", b"\xfe\xff", b"\0\0", b"\1\0")) + content[start:]
    nest = b"\x08\x00\x40\x11SQ\0\0\xff\xff\xff\xff\xfe\xff\x00\xe0\xff\xff\xff\xff" * random.choice((2, 100, 5000))
    return content[:tag] + nest + content[tag:]


def _is_safetensors(content: bytes) -> bool:
    return len(content) > 16 and content[8:9] == b"{" and int.from_bytes(content[:8], "little") < len(content)


def _with_safetensors_header(content: bytes, random: Random) -> bytes:
    """The header's JSON, or ours within it, changed, and its length set right."""
    length = int.from_bytes(content[:8], "little")
    header = content[8 : 8 + length]
    if random.random() < 0.7:
        outer = json.loads(header)
        inner = outer["__metadata__"]["sphericalreg"].encode()
        for _ in range(random.choice((1, 1, 2, 3))):
            inner = random.choice(_TEXT)(inner, random)
        outer["__metadata__"]["sphericalreg"] = inner.decode("utf-8", "replace")
        header = json.dumps(outer).encode()
    else:
        header = random.choice(_TEXT)(header, random)
    return len(header).to_bytes(8, "little") + header + content[8 + length :]


def _attached_gzip(content: bytes) -> int | None:
    """Where gzip data begins behind a text header (NRRD), if it does and is whole."""
    at = content.find(b"\n\n\x1f\x8b")
    if at < 0 or not content.startswith(b"NRRD"):
        return None
    try:
        gzip.decompress(content[at + 2 :])
    except (OSError, EOFError, zlib.error):
        return None
    return at + 2


def _looks_like_text(start: bytes) -> bool:
    return bool(start) and sum(32 <= byte < 127 or byte in b"\r\n\t" for byte in start) > 0.9 * len(start)


_BYTES: list[Callable[[bytes, Random], bytes]] = [
    _flip_bits, _overwrite, _integer, _integer, _truncate, _cut_out, _insert, _repeat,
]  # fmt: skip
_TEXT: list[Callable[[bytes, Random], bytes]] = [_text_number, _text_number, _text_word, _text_line]
_DICOM: list[Callable[[bytes, Random], bytes]] = [_dicom_value, _dicom_value, _dicom_structure]
