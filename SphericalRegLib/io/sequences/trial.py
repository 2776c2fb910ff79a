"""Autoscoper's trial files (.cfg): cameras, radiographs and volumes by path."""

from __future__ import annotations

import math
from dataclasses import dataclass
from pathlib import Path

from SphericalRegLib.errors import InputError
from SphericalRegLib.text_files import read_text

# Keys with one path each, and those that say nothing of the data.
_PATHS = ("mayaCam_csv", "CameraRootDir", "VolumeFile", "MeshFile")
_IGNORED = ("Version", "RenderResolution", "RenderingResolution", "OptimizationOffsets")


@dataclass(frozen=True)
class TrialVolume:
    """One bone of a trial.

    Attributes:
        path: of the TIFF stack.
        voxel_mm: along columns, rows and pages.
        flip: which of these axes run the other way.
    """

    path: Path
    voxel_mm: tuple[float, float, float]
    flip: tuple[bool, bool, bool] = (False, False, False)


@dataclass(frozen=True)
class Trial:
    """What a trial file names; paths are absolute, relative ones counted from the file's own folder.

    Attributes:
        calibrations: MayaCam files, one for each camera.
        radiographs: folders of numbered pictures, in the same order.
        volumes: bones.
        meshes: surfaces, in the order in which they are named.
    """

    calibrations: tuple[Path, ...]
    radiographs: tuple[Path, ...]
    volumes: tuple[TrialVolume, ...]
    meshes: tuple[Path, ...] = ()


def read_trial(path: str | Path) -> Trial:
    """A trial of Autoscoper, versions 1.0 to 1.2 of the format.

    Raises:
        InputError: for lines that are none of the format's, a camera without radiographs, or a volume without voxels.
    """
    path = Path(path)
    places: dict[str, list[Path]] = {key: [] for key in _PATHS}
    voxels, flips = list[tuple[float, ...]](), list[tuple[float, ...]]()
    for number, line in enumerate(read_text(path).splitlines(), 1):
        text = line.strip()
        if not text or text.startswith("#"):
            continue
        key, _, value = text.partition(" ")
        value = value.strip()
        where = f"{path}, line {number}"
        if key in places:
            if not value:
                raise InputError(f"{where}: {key} names no file.")
            places[key].append(path.parent / value.replace("\\", "/"))
        elif key == "VoxelSize":
            voxels.append(_three(value, where, key))
        elif key == "VolumeFlip":
            flips.append(_three(value, where, key))
        elif key not in _IGNORED:
            raise InputError(f"{where}: {key[:40]!r} is no key of a trial: {', '.join([*_PATHS, 'VoxelSize'])} are.")
    cameras, folders, files = places["mayaCam_csv"], places["CameraRootDir"], places["VolumeFile"]
    if not cameras or len(cameras) != len(folders):
        raise InputError(
            f"{path} names {len(cameras)} calibrations (mayaCam_csv) and {len(folders)} folders of radiographs "
            "(CameraRootDir): give one of each for every camera."
        )
    if len(voxels) != len(files) or (flips and len(flips) != len(files)):
        raise InputError(
            f"{path} names {len(files)} volumes, {len(voxels)} voxel sizes and {len(flips)} flips: give one VoxelSize "
            "and one VolumeFlip for each VolumeFile."
        )
    for size in voxels:
        if min(size) <= 0:
            raise InputError(f"{path} has the voxel size {size}: give millimeters above 0.")
    flips = flips or [(0.0, 0.0, 0.0)] * len(files)
    volumes = tuple(
        TrialVolume(file, (size[0], size[1], size[2]), (flip[0] != 0, flip[1] != 0, flip[2] != 0))
        for file, size, flip in zip(files, voxels, flips, strict=True)
    )
    return Trial(tuple(cameras), tuple(folders), volumes, tuple(places["MeshFile"]))


def _three(value: str, where: str, key: str) -> tuple[float, ...]:
    words = value.split()
    try:
        numbers = tuple(float(word) for word in words)
    except ValueError:
        numbers = ()
    if len(numbers) != 3 or not all(math.isfinite(number) for number in numbers):
        raise InputError(f"{where}: {key} needs three numbers, not {value[:40]!r}.")
    return numbers
