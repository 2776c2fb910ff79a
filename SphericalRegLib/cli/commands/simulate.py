"""``sphericalreg simulate``: an X-ray of a CT, and apart from it the pose that it shows."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import torch
from torch import Tensor
from typing_extensions import Unpack

from SphericalRegLib.cli.outputs import output_files
from SphericalRegLib.cli.parsing.choices import LevelName
from SphericalRegLib.cli.reading.ct_reading import CTReading, read_scan
from SphericalRegLib.cli.reading.inputs import Preset
from SphericalRegLib.cli.reading.nominal_view import NominalView, camera_of, nominal_pose
from SphericalRegLib.cli.running import Running, begin
from SphericalRegLib.errors import InputError
from SphericalRegLib.geometry import carm, se3
from SphericalRegLib.geometry.view import View, mirrored_view
from SphericalRegLib.imaging.ct import CT
from SphericalRegLib.imaging.volume import to_volume
from SphericalRegLib.io.calibration_files import write_json
from SphericalRegLib.io.pose_file import read_pose
from SphericalRegLib.simulation import simulate as simulator
from SphericalRegLib.simulation.degrade import Degradations
from SphericalRegLib.simulation.dicom_writer import write_xray_dicom
from SphericalRegLib.simulation.levels import level_named
from SphericalRegLib.simulation.simulate import SimulatedXRay

_GOOD_SYSTEM = Degradations()


class SimulateOptions(NominalView, CTReading, Running, total=False):
    """The view, how the CT is read, and how the command runs."""


def simulate(
    ct: str,
    output: str,
    truth: str | None = None,
    preset: Preset | None = None,
    angles: tuple[float, float] | None = None,
    rotation_deg: tuple[float, float, float] = (0.0, 0.0, 0.0),
    translation_mm: tuple[float, float, float] = (0.0, 0.0, 0.0),
    pose: str | None = None,
    downsample: int = 1,
    level: LevelName | None = None,
    random: bool = False,
    instruments: bool = False,
    system: Degradations = _GOOD_SYSTEM,
    seed: int = 0,
    **options: Unpack[SimulateOptions],
) -> int:
    """Simulate an X-ray of a CT as a DICOM file with the C-arm's geometry; the true pose goes into a file apart.

    Research software, not a medical device. The DICOM file tells the nominal angles (preset or angles); the patient
    lies off that by rotation_deg and translation_mm, which only the truth file tells.

    Args:
        ct: CT in Hounsfield units: NRRD, NIfTI, MHA, or a folder with a DICOM series.
        output: DICOM file to write.
        truth: JSON file to write, with the true pose and the view; by default beside the output, x_truth.json for
            x.dcm.
        preset: nominal view; AP where neither angles nor a pose are given.
        angles: nominal C-arm angles instead, primary then secondary, degrees as DICOM defines them.
        rotation_deg: of the patient about the isocenter, off the nominal view: rotation vector in the camera's axes
            (columns, rows, beam).
        translation_mm: of the patient, off the isocenter, in the camera's axes.
        pose: file with the true pose, instead of rotation_deg and translation_mm; the file's angles are then its own,
            unless a preset or angles are given.
        downsample: average the CT over that many voxels along each axis first.
        level: draw all that is wrong with X-ray system and patient at random, from the seed, instead of ``system``:
            "mild" is a good system, "clinical" what leaves an operating room on most days (scatter, display curves,
            table, moved soft tissue), "harsh" the worst that would still be used.
        random: the same as level mild.
        instruments: put opaque instruments into the beam; with ``level`` or ``random`` only.
        system: the X-ray system: spectrum, scatter, noise, blur, tone, bits, collimation.
        seed: of noise, and of what is drawn at random.
    """
    console = begin(options)
    offset = np.concatenate([np.deg2rad(rotation_deg), translation_mm])
    if pose is not None and offset.any():
        raise InputError("The true pose was given by --pose and as an offset: leave one of them out.")
    if random and level is not None:
        raise InputError(f"--random is --level mild, and --level {level} was given: leave --random out.")
    drawn = "mild" if random else level
    if instruments and drawn is None:
        raise InputError("--instruments are drawn at random: add --level mild, clinical or harsh.")
    if seed < 0:
        raise InputError(f"seed is {seed}: give 0 or more.")
    truth = truth or str(Path(output).with_name(f"{Path(output).stem}_truth.json"))
    with output_files(console, [output, truth], [ct, pose, options.get("view")]) as (image_file, truth_file):
        scan = read_scan(ct, options, downsample=downsample, console=console)
        given_pose = None if pose is None else read_pose(pose)
        camera = camera_of(options, name=Path(output).stem)
        calibrated = options.get("view") is not None
        nominal_angles = _nominal_angles(angles, preset, given_pose, camera if calibrated else None)
        if not calibrated and carm.expected_display(nominal_angles[0]).mirrored:
            camera = mirrored_view(camera)
        if given_pose is None:
            isocenter = to_volume(scan).center
            nominal = nominal_pose(camera, nominal_angles, options, isocenter)
            true_pose = se3.about(torch.from_numpy(offset), nominal, isocenter)
        else:
            true_pose = given_pose
        degradations = system
        if drawn is not None:
            degradations = level_named(drawn).draw(np.random.default_rng(seed), camera, scan, instruments)
        console.say("Simulating ...")
        console.detail(f"{degradations}")
        taken = _simulated(scan, camera, true_pose, degradations, seed)
        primary, secondary = nominal_angles
        write_xray_dicom(image_file, taken, camera, primary_deg=primary, secondary_deg=secondary)
        write_json(truth_file, [camera], true_pose)
    console.say(f"X-ray: {Path(output).resolve()}\nTruth: {Path(truth).resolve()}")
    return 0


def _simulated(scan: CT, camera: View, pose: Tensor, degradations: Degradations, seed: int) -> SimulatedXRay:
    """The X-ray that the camera takes at that pose."""
    alone = View(camera.intrinsics, camera.height, camera.width, camera.sdd, sad=camera.sad, name=camera.name)
    camera_pose = camera.camera_from_world(pose).numpy()
    return simulator.simulate(scan.hu, scan.world_from_voxel, alone, camera_pose, degradations, seed=seed)


def _nominal_angles(
    angles: tuple[float, float] | None, preset: Preset | None, pose: Tensor | None, view: View | None
) -> tuple[float, float]:
    """Primary and secondary angle that the file tells: as given, or those of the pose."""
    if angles is not None:
        return angles
    if preset is not None or pose is None:
        return carm.PRESETS[preset or "AP"]
    posed = carm.angles_from_pose(pose if view is None else view.camera_from_world(pose))
    return posed.primary_deg, posed.secondary_deg
