"""``sphericalreg render``: a DRR of a CT at a pose."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import torch
from torch import Tensor
from typing_extensions import Unpack

from SphericalRegLib import rendering
from SphericalRegLib.cli.outputs import output_files
from SphericalRegLib.cli.reading.ct_reading import CTReading, read_scan
from SphericalRegLib.cli.reading.inputs import Preset
from SphericalRegLib.cli.reading.nominal_view import NominalView, camera_of, nominal_pose
from SphericalRegLib.cli.running import Computing, begin, device_of
from SphericalRegLib.errors import GeometryError
from SphericalRegLib.geometry import carm
from SphericalRegLib.geometry.view import View
from SphericalRegLib.geometry.volume import Volume
from SphericalRegLib.imaging.volume import to_volume
from SphericalRegLib.io.picture import write_image
from SphericalRegLib.io.pose_file import read_pose


class RenderOptions(NominalView, CTReading, Computing, total=False):
    """The view, how the CT is read, and how the command runs."""


def render(
    ct: str,
    output: str,
    pose: str | None = None,
    preset: Preset = "AP",
    angles: tuple[float, float] | None = None,
    labels: str | None = None,
    label_names: str | None = None,
    bones: list[int | str] | None = None,
    downsample: int = 1,
    samples: int = 512,
    kernel: str = "auto",
    **options: Unpack[RenderOptions],
) -> int:
    """Render a digitally reconstructed radiograph of a CT: line integrals of attenuation, without unit.

    Research software, not a medical device.

    Args:
        ct: CT in Hounsfield units: NRRD, NIfTI, MHA, or a folder with a DICOM series.
        output: image: .png (windowed to 8 bits), or .nrrd, .mha, .tif (all values).
        pose: file with the pose: .tfm, or a JSON file that holds one; else by angles or preset.
        preset: view from which to look.
        angles: C-arm angles, primary then secondary, degrees as DICOM defines them; instead of the preset.
        labels: label map on the CT's grid.
        label_names: JSON file with the labels' names.
        bones: render only these, by name or number.
        downsample: average the CT over that many voxels along each axis.
        samples: along each ray.
        kernel: of the renderer: auto, or a name that `sphericalreg info` lists.
    """
    console = begin(options)
    target = device_of(options)
    with output_files(console, [output], [ct, pose, options.get("view"), labels, label_names]) as (file,):
        camera = camera_of(options)
        scan = read_scan(ct, options, labels, label_names, downsample, console)
        volume = to_volume(scan, labels=bones).to(target)
        if pose is not None:
            seen_from = read_pose(pose)
        else:
            seen_from = nominal_pose(camera, angles or carm.PRESETS[preset], options, volume.center)
        write_image(file, _drr(volume, camera, seen_from, samples, kernel), camera.spacing)
    console.say(f"DRR: {Path(output).resolve()}")
    return 0


def _drr(volume: Volume, camera: View, pose: Tensor, samples: int, kernel: str) -> np.ndarray:
    """(H, W) line integrals at a pose.

    Raises:
        GeometryError: where nothing would be seen.
    """
    with torch.no_grad():
        image = rendering.render(volume, camera, pose[None], samples=samples, kernel=kernel)
    drr: np.ndarray = image[0].sum(dim=0).cpu().numpy()
    if not (drr > 0).any():
        raise GeometryError("At this pose the CT does not overlap the beam: nothing would be seen. Check the pose.")
    return drr
