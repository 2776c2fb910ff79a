"""CTSpine1K: a thousand CTs of the spine with labelled vertebrae, as a tree of NIfTI files. X-rays are simulated.

Y. Deng et al., arXiv 2105.14711 (2021); MIRACLE-Center/CTSpine1K; CC BY-NC-SA, whoever uses it brings it.

It has no landmarks, and vertebrae's centroids alone lie on a curve, from which no pose can be told. So each vertebra
has four, from its label (our choice): the centroid of its front half, and its rearmost, leftmost and rightmost places,
all in the patient's directions, for principal axes of a label swap from one vertebra to the next.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from functools import lru_cache, partial
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from SphericalRegLib.errors import InputError
from SphericalRegLib.evaluation.datasets.contract import Subject
from SphericalRegLib.imaging.ct import CT
from SphericalRegLib.imaging.labels import labels_present
from SphericalRegLib.imaging.volume import Box, box_of
from SphericalRegLib.io.ct import read_ct
from SphericalRegLib.text_files import read_text

_END, _LABEL_END = ".nii.gz", "_seg.nii.gz"
_VOLUMES, _LABELS = "raw_data/volumes", "raw_data/labels"
#: Names of the labels. Users disagree on 25, a sixth lumbar vertebra: nothing here relies on it.
VERTEBRAE: dict[int, str] = {
    **{n: f"C{n}" for n in range(1, 8)},
    **{n: f"T{n - 7}" for n in range(8, 20)},
    **{n: f"L{n - 19}" for n in range(20, 26)},
}
# Around the labels, mm; and the most that is kept across the patient.
_MARGIN_MM, _WIDEST_MM = 40.0, 256.0
# A label of fewer voxels is a speck, or a vertebra that the CT's end cut off.
_FEWEST_VOXELS = 50


@dataclass(frozen=True)
class CTSpine1K:
    """See the module.

    Args:
        path: the folder that holds ``raw_data``.
        split: a file of names, one a line (``trainset``, ``test_public`` ...), or None for all that is there.
        crop: whether CTs are cut to their labels, 40 mm around them.

    Raises:
        InputError: for a folder of another layout, or a split of which nothing is there.
    """

    path: str
    split: str | None = None
    crop: bool = True

    def __post_init__(self) -> None:
        if not (Path(self.path) / _VOLUMES).is_dir() or not (Path(self.path) / _LABELS).is_dir():
            raise InputError(f"{self.path} is no CTSpine1K: it has no folders {_VOLUMES} and {_LABELS}.")
        if not self._found():
            raise InputError(
                f"{self.path} holds no pair of {_VOLUMES}/…/NAME{_END} and {_LABELS}/…/NAME{_LABEL_END}"
                f"{'' if self.split is None else f' that {self.split} names'}."
            )

    @property
    def names(self) -> Sequence[str]:
        """Of the patients whose CT and labels are there."""
        return tuple(self._found())

    @property
    def notes(self) -> Sequence[str]:
        """What the split names and the disk lacks; CTs without labels."""
        found, told = self._found(), []
        if self.split is not None and (missing := [name for name in self._split() if name not in found]):
            told.append(f"{len(missing)} of {len(self._split())} that {self.split} names are missing: {_some(missing)}")
        alone = [name for name, (_, labels) in self._pairs().items() if not labels.is_file()]
        if alone:
            told.append(f"{len(alone)} CTs have no labels and are left out: {_some(alone)}")
        return told

    def subject(self, name: str) -> Subject:
        """See :class:`~SphericalRegLib.evaluation.datasets.contract.Dataset`; without frames."""
        found = self._found()
        if name not in found:
            raise InputError(f"{self.path} has no patient {name!r}: it has {_some(list(found))}.")
        ct = _read(*map(str, found[name]), self.crop)
        points = vertebra_points(ct)
        if not points:
            raise InputError(f"{found[name][1]} holds no vertebra of {_FEWEST_VOXELS} voxels or more.")
        return Subject(name, partial(_read, *map(str, found[name]), self.crop), points, (), notes=ct.notes)

    def _found(self) -> dict[str, tuple[Path, Path]]:
        pairs = {name: pair for name, pair in self._pairs().items() if pair[1].is_file()}
        if self.split is None:
            return pairs
        return {name: pairs[name] for name in self._split() if name in pairs}

    def _pairs(self) -> dict[str, tuple[Path, Path]]:
        """{name: (CT, its labels, which may be absent)}; names hold dots, so that only the known end is taken off."""
        root, pairs = Path(self.path), {}
        for path in sorted((root / _VOLUMES).rglob(f"*{_END}")):
            name = path.name.removesuffix(_END)
            beside = path.relative_to(root / _VOLUMES).parent
            pairs[name] = path, root / _LABELS / beside / f"{name}{_LABEL_END}"
        return pairs

    def _split(self) -> list[str]:
        assert self.split is not None
        words = [line.strip().rstrip(":,") for line in read_text(self.split).splitlines()]
        # a heading such as "trainset" stands in the same file
        return [Path(word).name.removesuffix(_END) for word in words if word and not word.startswith("#")]


def vertebra_points(ct: CT) -> dict[str, Tensor]:
    """{name: (3,) float64 world mm}: four of each vertebra of a labelled CT; see the module.

    Raises:
        InputError: without labels.
    """
    if ct.labels is None:
        raise InputError(f"{ct.path or 'The CT'} has no labels to find vertebrae by.")
    points = {}
    for label in labels_present(ct.labels):
        voxels = np.argwhere(ct.labels == label)[:, ::-1].astype(np.float64)
        if len(voxels) < _FEWEST_VOXELS:
            continue
        name = VERTEBRAE.get(label, f"label {label}")
        world = voxels @ ct.world_from_voxel[:3, :3].T + ct.world_from_voxel[:3, 3]
        for kind, place in _places(world):
            points[f"{name} {kind}"] = torch.from_numpy(place)
    return points


def _places(world: np.ndarray) -> Iterator[tuple[str, np.ndarray]]:
    front = world[:, 1] >= np.median(world[:, 1])
    yield "body", world[front].mean(0)
    for kind, axis, sign in (("posterior", 1, -1.0), ("left", 0, -1.0), ("right", 0, 1.0)):
        along = sign * world[:, axis]
        # voxels that are as far out share the place
        yield kind, world[along >= along.max() - 1e-6].mean(0)


@lru_cache(maxsize=1)
def _read(volume: str, labels: str, crop: bool) -> CT:
    """One is kept: points are made of what is registered next."""
    ct = read_ct(volume, labels, max_voxels=800_000_000)
    ct = replace(ct, label_names={**VERTEBRAE, **ct.label_names})
    assert ct.labels is not None
    if not ct.labels.any():
        raise InputError(f"{labels} is empty: it marks no vertebra.")
    return _cropped(ct) if crop else ct


def _cropped(ct: CT) -> CT:
    """To the labels and what is near them."""
    assert ct.labels is not None
    tight, shape = box_of(ct.labels > 0), ct.hu.shape
    spacing = ct.spacing[::-1]
    wide: list[slice] = []
    for axis, (one, size, mm) in enumerate(zip(tight, shape, spacing, strict=True)):
        margin = round(_MARGIN_MM / mm)
        start, stop = max(0, one.start - margin), min(size, one.stop + margin)
        most = round(_WIDEST_MM / mm)
        if axis > 0 and stop - start > most:
            start = max(0, min((one.start + one.stop - most) // 2, size - most))
            stop = start + most
        wide.append(slice(start, stop))
    box: Box = (wide[0], wide[1], wide[2])
    matrix = ct.world_from_voxel.copy()
    matrix[:3, 3] += matrix[:3, :3] @ np.array([s.start for s in reversed(box)], dtype=float)
    return replace(
        ct,
        hu=np.ascontiguousarray(ct.hu[box]),
        labels=np.ascontiguousarray(ct.labels[box]),
        world_from_voxel=matrix,
    )


def _some(names: Sequence[str]) -> str:
    return ", ".join(names[:8]) + (f" and {len(names) - 8} more" if len(names) > 8 else "")
