"""Whether a model's regressor knows an X-ray from outside of the poses it was trained for.

    python Testing/Benchmarks/outside.py --model Resources/SampleData/pelvis_lumbar_3mm_model.safetensors

Simulated X-rays: of poses within the declared range, of poses beyond it (1.5 to 2 half widths along or about some
axis), and from the opposite side (PA), which looks like the mirror image. With ``--register`` each is registered, with
no start but what the model says and, where it is in doubt, the AP view.
"""

from __future__ import annotations

import argparse
import json
from dataclasses import replace

import numpy as np
import torch
from torch import Tensor

from SphericalRegLib.evaluation.cases import CaptureCase, bone_points, capture_view, simulated_xray
from SphericalRegLib.evaluation.metrics import mtre
from SphericalRegLib.evaluation.statistics import smsr, wilson_interval
from SphericalRegLib.geometry import se3
from SphericalRegLib.geometry.carm import PRESETS, pose_from_preset
from SphericalRegLib.geometry.nominal import NominalGeometry
from SphericalRegLib.imaging.volume import to_volume
from SphericalRegLib.initialization.regressed import regressed_poses
from SphericalRegLib.initialization.search import SearchRange
from SphericalRegLib.io.ct import read_ct
from SphericalRegLib.networks.model import load_model
from SphericalRegLib.registration import Case, default_system, register
from SphericalRegLib.sample import sample_path
from SphericalRegLib.simulation.degrade import random_degradations

KINDS = ("within", "beyond", "opposite")


def twist(kind: str, rng: np.random.Generator, widths: Tensor) -> Tensor:
    """(6,) off the view of the kind."""
    drawn = rng.uniform(-1, 1, 6)
    if kind == "beyond":
        drawn *= rng.uniform(1.5, 2.0) / np.abs(drawn).max()
    return torch.from_numpy(drawn) * widths


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--ct", default=str(sample_path("pelvis_lumbar_3mm.nii.gz")))
    parser.add_argument("--model", required=True)
    parser.add_argument("--cases", type=int, default=40, help="of each kind")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--register", action="store_true", help="and tell how many end below 1 mm")
    parser.add_argument("--json", action="store_true")
    options = parser.parse_args()
    ct, view, model = read_ct(options.ct), capture_view(), load_model(options.model)
    volume = to_volume(ct)
    widths = SearchRange(**model.card.truth).twist
    points = bone_points(ct)
    told: dict[str, dict[str, object]] = {}
    for number, kind in enumerate(KINDS):
        inside = 0
        errors: list[float] = []
        accepted_wrong = 0
        for index in range(options.cases):
            rng = np.random.default_rng([options.seed, number, index])
            nominal = pose_from_preset("PA" if kind == "opposite" else "AP", 700.0, volume.center)
            truth = se3.about(twist(kind, rng, widths), nominal, volume.center)
            degradations = random_degradations(rng, view, occluder=index % 2 == 1)
            case = CaptureCase(index, view.name, truth, truth, degradations, int(rng.integers(2**31)))
            xray = simulated_xray(case, ct, view)
            inside += regressed_poses(model, volume, [xray])[0].inside >= 0.5
            if options.register:
                # a header that says AP whatever the truth is
                told_ap = replace(xray, geometry=NominalGeometry(xray.view, *PRESETS["AP"]))
                result = register(Case(volume, [told_ap], model=model), default_system(model=True))
                errors.append(float(mtre(result.pose, truth, points)))
                accepted_wrong += result.verdict.accepted and errors[-1] > 5
        low, high = wilson_interval(inside, options.cases)
        told[kind] = {"taken_for_inside": inside / options.cases, "wilson95": [round(low, 3), round(high, 3)]}
        if options.register:
            told[kind] |= {"smsr": smsr(errors, 1.0), "accepted_above_5_mm": accepted_wrong}
    if options.json:
        print(json.dumps({"cases_each": options.cases, "seed": options.seed, **told}))
        return
    for kind, found in told.items():
        print(f"{kind:9}", "  ".join(f"{name} {value}" for name, value in found.items()))


if __name__ == "__main__":
    main()
