"""The data sets by name, and which one a path holds."""

from __future__ import annotations

import os
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from SphericalRegLib.errors import InputError
from SphericalRegLib.evaluation.datasets import hdf5
from SphericalRegLib.evaluation.datasets.contract import Dataset
from SphericalRegLib.evaluation.datasets.ctspine1k import CTSpine1K
from SphericalRegLib.evaluation.datasets.deepfluoro import DeepFluoro
from SphericalRegLib.evaluation.datasets.folder import Folder
from SphericalRegLib.evaluation.datasets.ljubljana import Ljubljana


@dataclass(frozen=True)
class Entry:
    """A data set.

    Attributes:
        name: as it is typed.
        title: in words, with its licence.
        make: from a path.
        source: where its owner gives it out.
    """

    name: str
    title: str
    make: Callable[..., Dataset]
    source: str


_ENTRIES = (
    Entry("deepfluoro", "DeepFluoro, pelvis (CC BY-NC 4.0)", DeepFluoro, "doi.org/10.7281/T1/IFSXNV"),
    Entry(
        "ljubljana",
        "Ljubljana cerebral angiograms (CC BY-NC-ND)",
        Ljubljana,
        "lit.fe.uni-lj.si, 3D-2D-GS-CA; as ljubljana.h5 beside DiffPose's code",
    ),
    Entry("ctspine1k", "CTSpine1K, spine CTs (CC BY-NC-SA)", CTSpine1K, "github.com/MIRACLE-Center/CTSpine1K"),
    Entry("folder", "a folder of one's own, one for each patient", Folder, "its owner"),
)

#: By name.
DATASETS: dict[str, Entry] = {entry.name: entry for entry in _ENTRIES}


def open_dataset(path: str | os.PathLike[str], kind: str = "auto", half_voxel: bool = False) -> Dataset:
    """A data set on the disk.

    Args:
        path: file or folder.
        kind: of :data:`DATASETS`; "auto" looks at what is there.
        half_voxel: of DeepFluoro, see there.

    Raises:
        InputError: for a kind that there is not, a path that holds none of them, or half voxels of another one.
        DeviceError: for an HDF5 file without h5py.
    """
    name = kind_of(path) if kind == "auto" else kind
    if name not in DATASETS:
        raise InputError(f"There is no data set {name!r}: choose from auto, {', '.join(DATASETS)}.")
    if name == "deepfluoro":
        return DeepFluoro(os.fspath(path), half_voxel)
    if half_voxel:
        raise InputError(f"half_voxel is about DeepFluoro's ground truth, and {path} is {name}: leave it out.")
    return DATASETS[name].make(os.fspath(path))


def kind_of(path: str | os.PathLike[str]) -> str:
    """The name of what a path holds.

    Raises:
        InputError: where that cannot be told.
    """
    place = Path(path)
    if place.is_dir():
        return "ctspine1k" if (place / "raw_data" / "volumes").is_dir() else "folder"
    with hdf5.opened(place) as file:
        if "proj-params" in file:
            return "deepfluoro"
        if any(name.startswith("subject") for name in file):
            return "ljubljana"
        raise InputError(f"{path} is an HDF5 file with {', '.join(sorted(file)[:8])}: none of {', '.join(DATASETS)}.")
