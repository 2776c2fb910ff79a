"""One vertebra registered in simulated X-rays of the whole CT: AP and lateral at once, and each alone; truth known."""

from __future__ import annotations

import argparse
import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import one_bone
import torch
from machine import describe

from SphericalRegLib.evaluation.cases import CaptureCase, bone_points, simulated_xray
from SphericalRegLib.evaluation.metrics import mtre
from SphericalRegLib.geometry import se3
from SphericalRegLib.geometry.carm import pose_from_preset
from SphericalRegLib.geometry.view import View
from SphericalRegLib.imaging.crop import cropped_around
from SphericalRegLib.imaging.volume import to_volume
from SphericalRegLib.io.ct import read_ct
from SphericalRegLib.registration import SYSTEMS, Case, register
from SphericalRegLib.sample import sample_path
from SphericalRegLib.simulation.degrade import random_degradations

BOTH = (255, 70, 20)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--bone", default="vertebrae_L3", help="label, by name")
    parser.add_argument("--cases", type=int, default=20)
    parser.add_argument("--pictures", type=Path, help="folder for overlays of the first case")
    parser.add_argument("--json", action="store_true", help="print the figures as JSON in the last line")
    arguments = parser.parse_args()
    print(describe("cpu"), flush=True)
    names = [f"pelvis_lumbar_3mm{end}" for end in (".nii.gz", "_labels.nii.gz", "_labels.json")]
    ct = read_ct(*(sample_path(name) for name in names))
    volume, points = to_volume(ct, labels=[arguments.bone]), bone_points(ct, [arguments.bone])
    ap = View.from_spacing(512, 512, 1000.0, (0.7, 0.7), sad=700.0)
    # the rig is the AP camera; the lateral one is turned about the isocenter, where the bone's middle is
    frontal, side = (pose_from_preset(name, 700.0, volume.center) for name in ("AP", "left lateral"))
    lateral = replace(ap, camera_from_rig=side @ se3.inverse(frontal))
    rows: dict[str, list[dict[str, float]]] = {"both": [], "ap": [], "lateral": []}
    for index in range(arguments.cases):
        rng = np.random.default_rng([0, index])
        truth = one_bone.near(frontal, volume.center, 1, seed=index)[0]
        start = one_bone.near(truth, volume.center, 1, seed=1000 + index)[0]
        xrays = []
        for view in (ap, lateral):
            # the simulator and the file know one camera only
            alone = replace(view, camera_from_rig=torch.eye(4, dtype=torch.float64))
            degradations = replace(random_degradations(rng, alone, occluder=False), collimation=None)
            case = CaptureCase(index, view.name, view.camera_from_world(truth), start, degradations, index)
            whole = replace(simulated_xray(case, ct, alone), view=view)
            xrays.append(cropped_around(whole, volume, start, 25.0))
        results = {}
        for name, used in (("both", xrays), ("ap", xrays[:1]), ("lateral", xrays[1:])):
            result = results[name] = register(Case(volume, used, poses=start), SYSTEMS["bones"])
            row = one_bone.difference(result.pose, truth, points, volume.center, used[0].view)
            start_mm = float(mtre(start, truth, points))
            rows[name].append(
                {
                    **row,
                    "start_mm": start_mm,
                    "cost": result.cost,
                    "seconds": result.seconds,
                    "accepted": result.verdict.accepted,
                }
            )
        if arguments.pictures and index == 0:
            arguments.pictures.mkdir(parents=True, exist_ok=True)
            for name, xray in zip(("ap", "lateral"), xrays, strict=True):
                pose = results["both"].pose
                one_bone.save_overlay(arguments.pictures / f"vertebra_{name}.png", xray, volume, [(pose, BOTH)])
    for name, found in rows.items():
        good = sum(row["mtre_mm"] < 1 for row in found)
        print(
            f"{name}: {good} of {len(found)} below 1 mm; mTRE {one_bone.middle(found, 'mtre_mm')} mm, rotation "
            f"{one_bone.middle(found, 'rotation_deg')}°, in plane {one_bone.middle(found, 'in_plane_mm')} mm, depth "
            f"{one_bone.middle(found, 'depth_mm')} mm, {one_bone.middle(found, 'seconds')} s; starts off by "
            f"{one_bone.middle(found, 'start_mm')} mm, cost {one_bone.middle(found, 'cost')}"
        )
        off = [row for row in found if row["in_plane_mm"] > 2]
        print(
            f"  accepted {sum(row['accepted'] for row in found)}, of these off by more than 2 mm in plane "
            f"{sum(row['accepted'] for row in off)} of {len(off)}; rejected below 1 mm "
            f"{sum(row['mtre_mm'] < 1 and not row['accepted'] for row in found)}"
        )
    if arguments.json:
        print(json.dumps(rows))


if __name__ == "__main__":
    main()
