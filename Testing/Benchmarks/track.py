"""Femurs that swing in a pelvis through simulated biplane X-rays: errors by frame and body, gaps, time."""

from __future__ import annotations

import argparse
from dataclasses import replace

import numpy as np
import torch
from bodies import biplane
from machine import describe
from torch import Tensor

from SphericalRegLib.errors import InputError
from SphericalRegLib.geometry import se3
from SphericalRegLib.geometry.view import View
from SphericalRegLib.imaging.bodies import REST, bodies_of
from SphericalRegLib.imaging.ct import CT
from SphericalRegLib.imaging.labels import select_labels
from SphericalRegLib.imaging.xray import XRay
from SphericalRegLib.io.ct import read_ct
from SphericalRegLib.io.sequences.contract import XRaySequence
from SphericalRegLib.io.xray import xray_of_values
from SphericalRegLib.registration import SYSTEMS
from SphericalRegLib.sample import sample_path
from SphericalRegLib.simulation.anatomy.moved_bones import with_bones_moved
from SphericalRegLib.simulation.levels import level_named
from SphericalRegLib.simulation.simulate import simulate, to_attenuation
from SphericalRegLib.tracking.tracker import FrameDone, Plan, Tracker

BONES = {"femur_left": ["femur_left"], "femur_right": ["femur_right"]}
SWING_DEG, SHIFT_MM = 12.0, 1.0
# The patient sways by so much.
SWAY_DEG, SWAY_MM = 3.0, 10.0
# Of a detector that both femurs lie within.
PIXEL_MM = 1.2


def intrinsics_of(view: View) -> Tensor:
    """(3, 3) of a detector of as many pixels that is larger."""
    return View.from_spacing(view.height, view.width, view.sdd, (PIXEL_MM, PIXEL_MM)).intrinsics


class Simulated:
    """Frames of one view, taken when they are asked for by one X-ray system; some are blank."""

    def __init__(self, number: int, view, ct: CT, labels, motion, level: str, seed: int, frames: int, blank) -> None:
        self.view, self.name, self.numbers = view, view.name, range(frames)
        self._ct, self._labels, self._motion, self._blank, self._number, self._seed = (
            ct,
            labels,
            motion,
            blank,
            number,
            seed,
        )
        rng = np.random.default_rng([seed, number])
        alone = replace(view, camera_from_rig=torch.eye(4, dtype=torch.float64))
        self._alone, self._system = alone, level_named(level).draw(rng, alone, ct, False)

    def read(self, number: int) -> XRay:
        if number in self._blank:
            raise InputError(f"frame {number} is blank")
        poses = self._motion(number)
        rest = poses[REST]
        motions = [(self._labels[name], (se3.inverse(rest) @ poses[name]).numpy()) for name in self._labels]
        patient = with_bones_moved(self._ct, motions)
        camera = self.view.camera_from_world(rest).numpy()
        seed = 1000 * self._seed + 10 * number + self._number
        taken = simulate(patient.hu, patient.world_from_voxel, self._alone, camera, self._system, seed=seed)
        return xray_of_values(to_attenuation(taken), self.view, self.name, number)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--frames", type=int, default=20)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--level", default="clinical", help="mild, clinical or harsh")
    parser.add_argument("--blank", type=int, nargs="*", default=[6], help="frames without an image")
    arguments = parser.parse_args()
    print(describe("cpu"), flush=True)
    names = [f"pelvis_lumbar_3mm{end}" for end in (".nii.gz", "_labels.nii.gz", "_labels.json")]
    ct = read_ct(*(sample_path(name) for name in names))
    labels = {name: select_labels(ct.labels, ct.label_names, chosen) for name, chosen in BONES.items()}
    bodies = bodies_of(ct, BONES)
    centers = {body.name: body.volume.center for body in bodies}
    middle = (centers["femur_left"] + centers["femur_right"]) / 2
    views, nominal = biplane(middle)
    # both femurs lie within it
    views = [replace(view, intrinsics=intrinsics_of(view)) for view in views]

    def motion(frame: int) -> dict[str, Tensor]:
        """(4, 4) of each body: the patient sways, the femurs swing against each other about the left-right axis."""
        phase = 2 * np.pi * frame / 30
        sway = torch.tensor(
            [0.0, np.deg2rad(SWAY_DEG) * np.sin(phase), 0.0, SWAY_MM * np.sin(phase), 0.0, 0.0]
        ).double()
        poses = {REST: se3.about(sway, nominal, middle)}
        for name, sign in (("femur_left", 1.0), ("femur_right", -1.0)):
            angle, shift = sign * np.deg2rad(SWING_DEG) * np.sin(phase), SHIFT_MM * np.sin(phase)
            swing = torch.tensor([angle, 0.0, 0.0, 0.0, shift, 0.0]).double()
            # in the patient: about the CT's left-right axis through the bone's middle
            within = se3.about(swing, torch.eye(4, dtype=torch.float64), centers[name])
            poses[name] = poses[REST] @ within
        return poses

    sources = tuple(
        Simulated(n, view, ct, labels, motion, arguments.level, arguments.seed, arguments.frames, arguments.blank)
        for n, view in enumerate(views)
    )
    sequence = XRaySequence(sources, tuple(range(arguments.frames)))  # type: ignore[arg-type]
    tracker = Tracker(bodies, sequence, {0: motion(0)}, SYSTEMS["bodies"], Plan())
    errors: dict[str, list[list[float]]] = {body.name: [] for body in bodies}
    verdicts: dict[str, list[str]] = {body.name: [] for body in bodies}
    held, seconds = 0, list[float]()
    for step in tracker:
        if isinstance(step, FrameDone):
            told = [" ".join(body.verdict.refusals) for body in step.result.bodies]
            words = " ".join(filter(None, [step.result.problem or step.result.origin, *told]))
            print(f"frame {step.result.frame}, {step.direction}: {words}", flush=True)
    for result in tracker.track().frames:
        if not result.bodies:
            continue
        seconds.append(result.seconds)
        truth = motion(result.frame)
        for body, one in zip(bodies, result.bodies, strict=True):
            off = se3.difference_about(one.pose, truth[body.name], centers[body.name])
            row = [*torch.rad2deg(off[:3]).tolist(), *off[3:].tolist()]
            errors[body.name].append(row)
            verdicts[body.name].append("tracked" if one.tracked else "refused")
            known = one.half_widths
            inside = (
                float(off[:3].norm()) * 180 / np.pi <= known.rotation_deg
                and float(off[3:5].norm()) <= known.plane_mm
                and abs(float(off[5])) <= known.depth_mm
            )
            held += inside
    total = sum(len(rows) for rows in errors.values())
    for name, rows in errors.items():
        table = np.array(rows)
        rms = np.sqrt((table**2).mean(0))
        worst = np.abs(table).max(0)
        words = ", ".join(f"{verdicts[name].count(word)} {word}" for word in dict.fromkeys(verdicts[name]))
        print(
            f"{name}: {words}; RMS x y z {rms[0]:.2f} {rms[1]:.2f} {rms[2]:.2f}° (worst {worst[:3].max():.2f}), "
            f"{rms[3]:.2f} {rms[4]:.2f} {rms[5]:.2f} mm (worst {worst[3:].max():.2f})"
        )
    print(
        f"within all three intervals: {held} of {total}; a frame, X-rays included, {np.median(seconds):.1f} s (median)"
    )


if __name__ == "__main__":
    main()
