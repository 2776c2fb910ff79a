"""``sphericalreg simulate``: an X-ray of a CT, and apart from it the pose that it shows."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import torch
from torch import Tensor
from typing_extensions import Unpack

from SphericalRegLib.cli.choices import LevelName
from SphericalRegLib.cli.console import Console
from SphericalRegLib.cli.ct_reading import CTReading, read_scan
from SphericalRegLib.cli.inputs import Preset
from SphericalRegLib.cli.outputs import output_files
from SphericalRegLib.cli.render import one_view
from SphericalRegLib.errors import InputError
from SphericalRegLib.geometry import carm, se3
from SphericalRegLib.geometry.view import View, mirrored_view
from SphericalRegLib.imaging.volume import to_volume
from SphericalRegLib.io.calibration_files import write_json
from SphericalRegLib.io.pose_file import read_pose
from SphericalRegLib.simulation import simulate as simulator
from SphericalRegLib.simulation.degrade import Degradations
from SphericalRegLib.simulation.dicom_writer import write_xray_dicom
from SphericalRegLib.simulation.levels import level_named
from SphericalRegLib.threads import set_threads

_GOOD_SYSTEM = Degradations()


def simulate(
    ct: str,
    output: str,
    truth: str,
    preset: Preset | None = None,
    angles: tuple[float, float] | None = None,
    rotation_deg: tuple[float, float, float] = (0.0, 0.0, 0.0),
    translation_mm: tuple[float, float, float] = (0.0, 0.0, 0.0),
    pose: str | None = None,
    view: str | None = None,
    size: tuple[int, int] = (512, 512),
    spacing: tuple[float, float] = (0.8, 0.8),
    sdd: float = 1200.0,
    sad: float = 800.0,
    downsample: int = 1,
    level: LevelName | None = None,
    random: bool = False,
    instruments: bool = False,
    system: Degradations = _GOOD_SYSTEM,
    seed: int = 0,
    threads: int | None = None,
    quiet: bool = False,
    verbose: bool = False,
    **reading: Unpack[CTReading],
) -> int:
    """Simulate an X-ray of a CT as a DICOM file with the C-arm's geometry; the true pose goes into a file apart.

    Research software, not a medical device. The DICOM file tells the nominal angles (preset or angles); the patient
    lies off that by rotation_deg and translation_mm, which only the truth file tells.

    Args:
        ct: CT in Hounsfield units: NRRD, NIfTI, MHA, or a folder with a DICOM series.
        output: DICOM file to write.
        truth: JSON file to write, with the true pose and the view.
        preset: nominal view; AP where neither angles nor a pose are given.
        angles: nominal C-arm angles instead, primary then secondary, degrees as DICOM defines them.
        rotation_deg: of the patient about the isocenter, off the nominal view: rotation vector in the camera's axes
            (columns, rows, beam).
        translation_mm: of the patient, off the isocenter, in the camera's axes.
        pose: file with the true pose, instead of rotation_deg and translation_mm; the file's angles are then its own,
            unless a preset or angles are given.
        view: calibration of one view, ours (JSON) or Autoscoper's, instead of size, spacing, sdd and sad.
        size: rows and columns.
        spacing: distance of pixel centers on the detector in mm, rows then columns.
        sdd: source-to-detector distance, mm.
        sad: source-to-isocenter distance, mm.
        downsample: average the CT over that many voxels along each axis first.
        level: draw all that is wrong with X-ray system and patient at random, from the seed, instead of ``system``:
            "mild" is a good system, "clinical" what leaves an operating room on most days (scatter, display curves,
            table, moved soft tissue), "harsh" the worst that would still be used.
        random: the same as level mild.
        instruments: put opaque instruments into the beam; with ``level`` or ``random`` only.
        system: the X-ray system: spectrum, scatter, noise, blur, tone, bits, collimation.
        seed: of noise, and of what is drawn at random.
        threads: of the processor to compute with; by default one for each processor.
        quiet: no messages.
        verbose: more messages, and tracebacks.
    """
    console = Console(quiet, verbose)
    set_threads(threads)
    if pose is not None and (any(rotation_deg) or any(translation_mm)):
        raise InputError("The true pose was given by --pose and as an offset: leave one of them out.")
    if random and level is not None:
        raise InputError(f"--random is --level mild, and --level {level} was given: leave --random out.")
    drawn = "mild" if random else level
    if instruments and drawn is None:
        raise InputError("--instruments are drawn at random: add --level mild, clinical or harsh.")
    if seed < 0:
        raise InputError(f"seed is {seed}: give 0 or more.")
    with output_files(console, [output, truth], [ct, pose, view]) as (image_file, truth_file):
        scan = read_scan(ct, reading, downsample=downsample, console=console)
        isocenter = to_volume(scan).center
        given = None if view is None else one_view(view)
        told = None if pose is None else read_pose(pose)
        primary, secondary = _nominal_angles(angles, preset, told, given)
        if given is not None:
            camera = given
        else:
            camera = View.from_spacing(*size, sdd, spacing, sad=sad, name=Path(output).stem)
            if carm.expected_display(primary).mirrored:
                camera = mirrored_view(camera)
        if told is not None:
            true_pose = told
        else:
            distance = camera.sad if camera.sad is not None else sad
            nominal = se3.inverse(camera.camera_from_rig) @ carm.pose_from_angles(
                primary, secondary, distance, isocenter
            )
            twist = np.concatenate([np.deg2rad(rotation_deg), translation_mm])
            true_pose = se3.about(torch.from_numpy(twist), nominal, isocenter)
        degradations = system
        if drawn is not None:
            degradations = level_named(drawn).draw(np.random.default_rng(seed), camera, scan, instruments)
        console.say("Simulating ...")
        camera_pose = camera.camera_from_world(true_pose)
        console.detail(f"{degradations}")
        rig_camera = View(camera.intrinsics, camera.height, camera.width, camera.sdd, sad=camera.sad, name=camera.name)
        taken = simulator.simulate(
            scan.hu, scan.world_from_voxel, rig_camera, camera_pose.numpy(), degradations, seed=seed
        )
        write_xray_dicom(image_file, taken, camera, primary_deg=primary, secondary_deg=secondary)
        write_json(truth_file, [camera], true_pose)
    console.say(f"X-ray: {Path(output).resolve()}\nTruth: {Path(truth).resolve()}")
    return 0


def _nominal_angles(
    angles: tuple[float, float] | None, preset: Preset | None, pose: Tensor | None, view: View | None
) -> tuple[float, float]:
    """Primary and secondary angle that the file tells: as given, or those of the pose."""
    if angles is not None:
        return angles
    if preset is not None or pose is None:
        return carm.PRESETS[preset or "AP"]
    found = carm.angles_from_pose(pose if view is None else view.camera_from_world(pose))
    return found.primary_deg, found.secondary_deg
