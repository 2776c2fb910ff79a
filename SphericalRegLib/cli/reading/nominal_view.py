"""A view that no X-ray tells, and the pose of the patient before it: options that render and simulate share."""

from __future__ import annotations

import torch
from torch import Tensor
from typing_extensions import TypedDict

from SphericalRegLib.cli.reading.inputs import read_views
from SphericalRegLib.errors import InputError
from SphericalRegLib.geometry import carm, se3
from SphericalRegLib.geometry.view import View

# C-arms are about so large.
_SDD_MM, _SAD_MM = 1200.0, 800.0
_SIZE, _SPACING_MM = (512, 512), (0.8, 0.8)


class NominalView(TypedDict, total=False):
    """A view of one's own making.

    Args:
        view: calibration of one view, ours (JSON) or Autoscoper's, instead of size, spacing, sdd and sad. A pose in it
            counts as by --pose, unless another pose is given.
        size: rows and columns; 512 512 by default.
        spacing: distance of pixel centers on the detector in mm, rows then columns; 0.8 0.8 by default.
        sdd: source-to-detector distance, mm; 1200 by default.
        sad: source-to-isocenter distance, mm; 800 by default.
    """

    view: str | None
    size: tuple[int, int]
    spacing: tuple[float, float]
    sdd: float
    sad: float


def camera_of(options: NominalView, name: str = "view") -> View:
    """The view: of the calibration, or of the numbers.

    Args:
        options: others than those of :class:`NominalView` count for nothing.
        name: of a view of the numbers.

    Raises:
        InputError: for a calibration that cannot be read, holds several views, or stands beside numbers that it tells.
        GeometryError: for impossible numbers.
    """
    if (path := options.get("view")) is None:
        rows, columns = options.get("size", _SIZE)
        return View.from_spacing(
            rows,
            columns,
            options.get("sdd", _SDD_MM),
            options.get("spacing", _SPACING_MM),
            sad=options.get("sad", _SAD_MM),
            name=name,
        )
    for told in ("size", "spacing", "sdd"):
        if told in options:
            raise InputError(f"--{told} is told by the calibration {path}: leave it or --view out.")
    views = read_views([path], None, None)
    if len(views) != 1:
        raise InputError(f"{path} holds {len(views)} views, where one is needed: write that one into its own file.")
    return views[0]


def nominal_pose(camera: View, angles: tuple[float, float], options: NominalView, isocenter: Tensor) -> Tensor:
    """The pose rig_from_world (4, 4), RAS mm, at which a C-arm at these angles sees the isocenter in its middle.

    Args:
        camera: the view.
        angles: primary and secondary, degrees as DICOM defines them.
        options: whose distance to the isocenter counts where the view has none.
        isocenter: (3,) world mm.
    """
    distance = camera.sad if camera.sad is not None else options.get("sad", _SAD_MM)
    pose: Tensor = se3.inverse(camera.camera_from_rig) @ carm.pose_from_angles(*angles, distance, isocenter)
    return pose.to(torch.float64)
