"""Ljubljana cerebral angiograms: ten patients, anteroposterior and lateral, truth from fiducial markers.

U. Mitrović, Ž. Špiclin, B. Likar, F. Pernuš, IEEE TMI 32 (2013), data 3D-2D-GS-CA; read from the one HDF5 file that
DiffPose's data come in (``ljubljana.h5``). CC BY-NC-ND: whoever uses it brings it.

There are no marks in the images, so that the check is another one: a DRR at the stored pose must be more like the X-ray
than DRRs whose principal point lies on the other side. In one conversion of the data its horizontal sign is reversed.
World coordinates are taken for LPS, as DICOM has them (our choice: registration does not depend on it).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import partial
from typing import Any

import numpy as np
import torch
from torch import Tensor

from SphericalRegLib.errors import GeometryError, InputError
from SphericalRegLib.evaluation.datasets import hdf5
from SphericalRegLib.evaluation.datasets.camera import placed_camera
from SphericalRegLib.evaluation.datasets.contract import Frame, Subject
from SphericalRegLib.geometry.frames import flip_points
from SphericalRegLib.geometry.view import View
from SphericalRegLib.geometry.volume import Volume
from SphericalRegLib.imaging.ct import CT
from SphericalRegLib.imaging.pyramid import pyramid
from SphericalRegLib.imaging.xray import XRay
from SphericalRegLib.io.images.grid import world_from_voxel
from SphericalRegLib.io.xray import xray_of_values
from SphericalRegLib.rendering import render

#: Of each subject: the maximum over the sequence, which shows the vessels.
VIEWS = ("proj-ap-max", "proj-lat-max")
# Below lies everything but contrast agent.
_VESSELS = 1000.0
_CHECKED_PIXELS = 96
_SAMPLES = 192
# Of the points, so many must lie on the picture.
_SHARE = 0.5


@dataclass(frozen=True)
class Ljubljana:
    """See the module.

    Args:
        path: ``ljubljana.h5``.
        check_images: whether each frame is compared with DRRs on reading, some seconds a subject.

    Raises:
        InputError: for a file that is damaged, or not of this layout.
        DeviceError: without h5py.
    """

    path: str
    check_images: bool = True

    def __post_init__(self) -> None:
        with hdf5.opened(self.path) as file:
            if not any(name.startswith("subject") for name in file):
                raise InputError(f"{self.path} holds no group 'subject01': is it ljubljana.h5?")

    @property
    def names(self) -> Sequence[str]:
        """Of the patients."""
        with hdf5.opened(self.path) as file:
            return tuple(sorted(name for name in file if name.startswith("subject")))

    @property
    def notes(self) -> Sequence[str]:
        """Nothing: all files are alike."""
        return ()

    def subject(self, name: str) -> Subject:
        """See :class:`~SphericalRegLib.evaluation.datasets.contract.Dataset`."""
        if name not in self.names:
            raise InputError(f"{self.path} has no patient {name!r}: it has {', '.join(self.names)}.")
        with hdf5.opened(self.path) as file:
            points = _points(file, name, self.path)
            frames = [self._frame(file, name, view, points) for view in VIEWS if view in file[name]]
            if not frames:
                raise InputError(f"{self.path}: {name!r} has neither of {', '.join(VIEWS)}.")
        subject = Subject(
            name,
            partial(_read_ct, self.path, name),
            {f"P{n + 1}": point for n, point in enumerate(points)},
            tuple(frames),
            density="linear",
        )
        if self.check_images:
            volume = subject.volume()
            for frame in frames:
                _check_image(f"{self.path}, {name}/{frame.name}", volume, frame)
        return subject

    def _frame(self, file: Any, name: str, which: str, points: Tensor) -> Frame:
        place, path = f"{name}/{which}", self.path
        rows, columns = hdf5.size(file, f"{place}/pixels", 2, path)
        row, column = (float(hdf5.numbers(file, f"{place}/{key}-spacing", (1,), path)[0]) for key in ("row", "col"))
        intrinsic = torch.from_numpy(hdf5.numbers(file, f"{place}/intrinsic", (3, 3), path))
        if abs(float(torch.linalg.det(intrinsic))) < 1e-9:
            raise GeometryError(f"{path}: {place}/intrinsic is singular: {intrinsic.tolist()}.")
        extrinsic = torch.from_numpy(hdf5.numbers(file, f"{place}/extrinsic", (4, 4), path))
        view, pose = placed_camera(
            intrinsic, extrinsic, points.mean(0), (rows, columns), (row, column), f"{name}/{which}"
        )
        seen = view.project(points, pose)
        inside = ((seen >= 0) & (seen <= torch.tensor([columns - 1.0, rows - 1.0]))).all(-1).double().mean()
        if not float(inside) >= _SHARE:
            raise InputError(
                f"{path}, {place}: only {100 * float(inside):.0f} % of the points project onto the image: the pose is "
                "no truth for it. Is the extrinsic matrix that from the world to the camera?"
            )
        return Frame(which, view, pose, {}, partial(_read_xray, path, f"{place}/pixels", view))


def _check_image(where: str, volume: Volume, frame: Frame) -> None:
    xray = frame.xray()
    height = max(16, round(_CHECKED_PIXELS * xray.view.height / max(xray.image.shape)))
    image, mask, view = pyramid(xray.image, xray.mask, xray.view, [min(height, xray.view.height)])[0]
    shown = torch.from_numpy(image)[torch.from_numpy(mask) > 0]
    found = {}
    for words, seen in {"as stored": view, "column": _flipped(view, 0), "row": _flipped(view, 1)}.items():
        if words != "as stored" and torch.equal(seen.intrinsics, view.intrinsics):
            continue
        drawn = render(volume, seen, frame.pose[None], samples=_SAMPLES).sum(1)[0][torch.from_numpy(mask) > 0]
        found[words] = float(torch.corrcoef(torch.stack([drawn, shown]))[0, 1].nan_to_num(-1.0))
    best = max(found, key=lambda words: found[words])
    if best != "as stored":
        raise InputError(
            f"{where}: the X-ray is more like a DRR whose principal point has its {best} on the other side of the "
            f"image's middle (correlation {found[best]:.2f}) than like that of the stored geometry "
            f"({found['as stored']:.2f}): a sign was lost on the way. Take the original file."
        )


def _flipped(view: View, axis: int) -> View:
    """The principal point on the other side of the middle, along columns (0) or rows (1)."""
    k = view.intrinsics.clone()
    k[axis, 2] = (view.width if axis == 0 else view.height) - 1 - k[axis, 2]
    return replace(view, intrinsics=k)


def _points(file: Any, name: str, path: str) -> Tensor:
    """(N, 3) RAS mm."""
    shape = hdf5.size(file, f"{name}/points", 2, path)
    if shape[1] != 3:
        raise InputError(f"{path}: {name}/points has the shape {shape}, expected (N, 3).")
    return flip_points(torch.from_numpy(hdf5.numbers(file, f"{name}/points", shape, path)))


def _read_xray(path: str, place: str, view: View) -> XRay:
    with hdf5.opened(path) as file:
        values = hdf5.pixels(file, place, 2, path).astype(np.float32)
    # zeros are no missing counts here: DiffPose adds one before the logarithm, and so do we
    return xray_of_values(values + 1, view, f"{path}:{place}", 0, tone="intensity", reason="intensities")


def _read_ct(path: str, name: str) -> CT:
    """Contrast agent alone: what is above 1000, less 1000. No Hounsfield units."""
    with hdf5.opened(path) as file:
        # stored (x, y, z), where the CT of DeepFluoro is (z, y, x)
        values = hdf5.pixels(file, f"{name}/volume/pixels", 3, path).transpose()
        spacing, origin = (hdf5.numbers(file, f"{name}/volume/{key}", (3,), path) for key in ("spacing", "origin"))
    if not np.isfinite(values).all():
        raise InputError(f"{path}: {name}/volume/pixels holds values that are not finite.")
    vessels = np.ascontiguousarray(np.maximum(values.astype(np.float32) - _VESSELS, 0))
    if not vessels.any():
        raise InputError(f"{path}: {name}/volume/pixels holds nothing above {_VESSELS:g}: no contrast agent.")
    matrix = world_from_voxel(spacing, np.eye(3), origin, f"{path}: {name}/volume")
    return CT(vessels, matrix, path=f"{path}:{name}", notes=("it holds contrast agent alone, not Hounsfield units.",))
