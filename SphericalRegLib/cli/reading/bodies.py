"""Which bodies a command moves, out of its options."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from SphericalRegLib.cli.reading.ct_reading import read_scan
from SphericalRegLib.errors import InputError
from SphericalRegLib.imaging.bodies import REST, Body, bodies_of
from SphericalRegLib.imaging.ct import CT
from SphericalRegLib.imaging.materials import material_attenuation
from SphericalRegLib.imaging.volume import to_volume
from SphericalRegLib.io.surface_file import read_surface


def named_bones(written: Sequence[str]) -> dict[str, list[int | str]]:
    """{name of a body: labels that make it up}.

    Args:
        written: each a label (its name is the body's), or NAME=LABEL+LABEL... for a body of several.

    Raises:
        InputError: for a body without labels or two of one name.
    """
    bones: dict[str, list[int | str]] = {}
    for text in written:
        name, equals, labels = text.partition("=")
        chosen: list[int | str] = [label.strip() for label in (labels if equals else name).split("+") if label.strip()]
        name = name.strip()
        if not name or not chosen:
            raise InputError(f"--bodies {text!r} names no body: write a label, or NAME=LABEL+LABEL.")
        if name in bones:
            raise InputError(f"--bodies names {name!r} twice: give each body one name.")
        bones[name] = chosen
    return bones


def scan_bodies(scan: CT, written: Sequence[str] | None, rest: bool) -> tuple[Body, ...]:
    """The bodies of a CT: chosen bones and the rest of it; without a choice all of it, under the file's name.

    Raises:
        InputError: as :func:`~SphericalRegLib.imaging.bodies.bodies_of`.
    """
    if not written:
        name = Path(scan.path).name.split(".")[0] or "ct"
        return (Body(name, to_volume(scan)),)
    return bodies_of(scan, named_bones(written), rest=rest)


def volume_bodies(written: Sequence[str], reading: Mapping[str, Any]) -> tuple[Body, ...]:
    """Bodies that are CTs of their own, cropped to one bone each.

    Args:
        written: each NAME=FILE.
        reading: options of :class:`~SphericalRegLib.cli.reading.ct_reading.CTReading`, for all of them.

    Raises:
        InputError: for one without a name, or a file that is no CT.
    """
    bodies = []
    for text in written:
        name, _, file = text.partition("=")
        if not name.strip() or not file.strip():
            raise InputError(f"--volumes {text!r} is no body: write NAME=FILE.")
        bodies.append(Body(name.strip(), to_volume(read_scan(file.strip(), reading))))
    return tuple(bodies)


def implant_bodies(written: Sequence[str], voxel_mm: float) -> tuple[Body, ...]:
    """Bodies out of closed surfaces.

    Args:
        written: each NAME=FILE:MATERIAL, a material of ``materials.MATERIALS`` or its attenuation in 1/mm.
        voxel_mm: edge of a voxel.

    Raises:
        InputError, GeometryError: for one that is not written so, another material, or a surface that is none.
    """
    bodies = []
    for text in written:
        name, _, rest = text.partition("=")
        file, _, material = rest.rpartition(":")
        if not name.strip() or not file.strip() or not material.strip():
            raise InputError(f"--implants {text!r} is no body: write NAME=FILE:MATERIAL.")
        volume = read_surface(file.strip(), material_attenuation(material), voxel_mm)
        # all of it is what the contours show
        bodies.append(Body(name.strip(), volume, excess=True))
    return tuple(bodies)


def checked_names(bodies: Sequence[Body]) -> tuple[Body, ...]:
    """The bodies, of which no two have one name, and each name can be a file's.

    Raises:
        InputError: otherwise.
    """
    names = [body.name for body in bodies]
    for name in names:
        if names.count(name) > 1:
            raise InputError(f"Two bodies are named {name!r}: give them different names.")
        if any(letter in name for letter in '/\\:*?"<>|') or name.startswith("."):
            raise InputError(f'The body {name!r} cannot name a file: leave out / \\ : * ? " < > | and a dot in front.')
    return tuple(bodies)


def has_rest(bodies: Sequence[Body]) -> bool:
    """Whether all of a CT is among the bodies, so that nothing of its anatomy is missing from their images."""
    return bodies[-1].name == REST
