"""An X-ray of a level as a reader of files gets it: simulated, written as DICOM, and read again."""

from __future__ import annotations

import tempfile
from dataclasses import replace
from pathlib import Path

import numpy as np
from torch import Tensor

from SphericalRegLib.errors import InputError
from SphericalRegLib.geometry.view import View
from SphericalRegLib.imaging.ct import CT
from SphericalRegLib.imaging.xray import XRay
from SphericalRegLib.io.xray import read_xray
from SphericalRegLib.simulation.dicom_writer import write_xray_dicom
from SphericalRegLib.simulation.levels import Level, level_named
from SphericalRegLib.simulation.simulate import SimulatedXRay, simulate


def taken(
    ct: CT, view: View, pose: Tensor, level: Level | str, seed: int, occluder: bool | None = None
) -> SimulatedXRay:
    """The X-ray of a CT by a system that is drawn from a level.

    Args:
        ct: the whole CT, of which a part may be registered (:func:`~SphericalRegLib.simulation.anatomy.cut.cut_ct`).
        view: the X-ray's projection geometry.
        pose: (4, 4) rig_from_world, the truth.
        level: one of :data:`~SphericalRegLib.simulation.levels.LEVELS`, or its name.
        seed: of all that is drawn, 0 or more; the same seed gives the same X-ray to the bit.
        occluder: whether instruments lie in the beam; half of the X-rays by default.

    Raises:
        InputError: for an unknown level, a negative seed or a CT that is not finite.
        GeometryError: if the CT lies outside the beam or around the source.
    """
    if seed < 0:
        raise InputError(f"seed is {seed}: give 0 or more.")
    chosen = level if isinstance(level, Level) else level_named(level)
    rng = np.random.default_rng(np.random.SeedSequence(seed))
    occluded = bool(rng.random() < 0.5) if occluder is None else occluder
    degradations = chosen.draw(rng, view, ct, occluded)
    return simulate(ct.hu, ct.world_from_voxel, view, pose.numpy(), degradations, seed=int(rng.integers(2**31)))


def simulated_xray(
    ct: CT, view: View, pose: Tensor, level: Level | str, seed: int, occluder: bool | None = None
) -> XRay:
    """What :func:`taken` takes, written as a DICOM file and read as any file is.

    So tone, geometry and mask are what reading finds, not what the simulator knows. The file tells neither pose nor
    collimator: real ones often do not.
    """
    xray = taken(ct, view, pose, level, seed, occluder)
    untold = replace(xray, degradations=replace(xray.degradations, collimation=None))
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / f"xray{seed}.dcm"
        write_xray_dicom(path, untold, view)
        return read_xray(path)
