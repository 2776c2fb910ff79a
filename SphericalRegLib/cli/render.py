"""``sphericalreg render``: a DRR of a CT at a pose."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import torch
from typing_extensions import Unpack

from SphericalRegLib import rendering
from SphericalRegLib.cli.console import Console
from SphericalRegLib.cli.ct_reading import CTReading, read_scan
from SphericalRegLib.cli.device import DeviceName, choose_device
from SphericalRegLib.cli.inputs import Preset, read_views
from SphericalRegLib.cli.outputs import output_files
from SphericalRegLib.errors import GeometryError, InputError
from SphericalRegLib.geometry import carm, se3
from SphericalRegLib.geometry.view import View
from SphericalRegLib.imaging.volume import to_volume
from SphericalRegLib.io.picture import write_image
from SphericalRegLib.io.pose_file import read_pose
from SphericalRegLib.threads import set_threads


def render(
    ct: str,
    output: str,
    pose: str | None = None,
    preset: Preset = "AP",
    angles: tuple[float, float] | None = None,
    view: str | None = None,
    size: tuple[int, int] = (512, 512),
    spacing: tuple[float, float] = (0.8, 0.8),
    sdd: float = 1200.0,
    sad: float = 800.0,
    labels: str | None = None,
    label_names: str | None = None,
    bones: list[int | str] | None = None,
    downsample: int = 1,
    samples: int = 512,
    kernel: str = "auto",
    device: DeviceName = "auto",
    threads: int | None = None,
    quiet: bool = False,
    verbose: bool = False,
    **reading: Unpack[CTReading],
) -> int:
    """Render a digitally reconstructed radiograph of a CT: line integrals of attenuation, without unit.

    Research software, not a medical device.

    Args:
        ct: CT in Hounsfield units: NRRD, NIfTI, MHA, or a folder with a DICOM series.
        output: image: .png (windowed to 8 bits), or .nrrd, .mha, .tif (all values).
        pose: file with the pose: .tfm, or a JSON file that holds one; else by angles or preset.
        preset: view from which to look.
        angles: C-arm angles, primary then secondary, degrees as DICOM defines them; instead of the preset.
        view: calibration of one view, ours (JSON) or Autoscoper's, instead of size, spacing, sdd and sad.
        size: rows and columns.
        spacing: distance of pixel centers on the detector in mm, rows then columns.
        sdd: source-to-detector distance, mm.
        sad: source-to-isocenter distance, mm.
        labels: label map on the CT's grid.
        label_names: JSON file with the labels' names.
        bones: render only these, by name or number.
        downsample: average the CT over that many voxels along each axis.
        samples: along each ray.
        kernel: of the renderer: auto, numba, torch.
        device: what computes.
        threads: of the processor to compute with; by default one for each processor.
        quiet: no messages.
        verbose: more messages, and tracebacks.
    """
    console = Console(quiet, verbose)
    set_threads(threads)
    target = choose_device(device)
    with output_files(console, [output], [ct, pose, view, labels, label_names]) as (file,):
        camera = one_view(view) if view is not None else View.from_spacing(*size, sdd, spacing, sad=sad)
        scan = read_scan(ct, reading, labels, label_names, downsample, console)
        volume = to_volume(scan, labels=bones).to(target)
        if pose is not None:
            matrix = read_pose(pose)
        else:
            primary, secondary = angles or carm.PRESETS[preset]
            distance = camera.sad if camera.sad is not None else sad
            looking = carm.pose_from_angles(primary, secondary, distance, volume.center)
            matrix = se3.inverse(camera.camera_from_rig) @ looking
        options: dict[str, Any] = {"samples": samples, "kernel": kernel}
        with torch.no_grad():
            image = rendering.render(volume, camera, matrix[None], **options)[0].sum(dim=0).cpu().numpy()
        if not (image > 0).any():
            raise GeometryError("At this pose the CT does not overlap the beam: nothing would be seen. Check the pose.")
        write_image(file, image, camera.spacing)
    console.say(f"DRR: {Path(output).resolve()}")
    return 0


def one_view(path: str) -> View:
    """The single view in a calibration file.

    Raises:
        InputError: where there are several.
    """
    views = read_views([path], None, None)
    if len(views) != 1:
        raise InputError(f"{path} holds {len(views)} views, where one is needed: write that one into its own file.")
    return views[0]
