"""Whether images tell a wrong source-to-detector distance: what the best pose costs under each, against the right one.

    python Testing/Benchmarks/typed_distance.py --ct CT --cases 7 --seed 0

Clinical X-rays of all views, read with a distance that is a factor off; each alignment begins where the CT has the same
size in the image, so that only the cost of the optimum is compared.
"""

from __future__ import annotations

import argparse
from dataclasses import replace

import numpy as np
from depth_causes import from_the_truth
from machine import describe

from SphericalRegLib.evaluation.cases import capture_view, draw_case, simulated_xray
from SphericalRegLib.evaluation.suites import VIEW_SETS
from SphericalRegLib.geometry import se3
from SphericalRegLib.geometry.view import View
from SphericalRegLib.imaging.volume import to_volume
from SphericalRegLib.io.ct import read_ct
from SphericalRegLib.registration import Case, register
from SphericalRegLib.sample import sample_path
from SphericalRegLib.simulation.levels import LEVELS

FACTORS = (0.85, 0.95, 1.0, 1.05, 1.2)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--ct", default=str(sample_path("pelvis_lumbar_3mm.nii.gz")))
    parser.add_argument("--cases", type=int, default=7)
    parser.add_argument("--seed", type=int, default=0)
    arguments = parser.parse_args()
    print(describe("cpu"), flush=True)
    ct, view, system = read_ct(arguments.ct), capture_view(), from_the_truth(bone=True)
    volume = to_volume(ct)
    costs = []
    for index in range(arguments.cases):
        views, level = VIEW_SETS["all"], LEVELS["clinical"]
        case = draw_case(index, arguments.seed, view, volume.center, views=views, level=level, ct=ct)
        xray = simulated_xray(case, ct, view)
        middle = se3.transform_points(case.truth, volume.center[None])[0]
        row = []
        for factor in FACTORS:
            pose = case.truth.clone()
            pose[:3, 3] += (factor - 1) * middle
            read = replace(xray, view=at_distance(xray.view, factor))
            row.append(register(Case(volume, (read,), poses=pose), system).verdict_cost)
        costs.append(row)
    relative = np.array(costs) / np.array(costs)[:, FACTORS.index(1.0), None]
    print("| distance, of the right one | cost, of that at the right one: median (least to most) |\n|---|---|")
    for factor, column in zip(FACTORS, relative.T, strict=True):
        print(f"| {factor:g} | {np.median(column):.2f} ({column.min():.2f} to {column.max():.2f}) |")


def at_distance(view: View, factor: float) -> View:
    """As if the source-to-detector distance had been typed so many times too long."""
    intrinsics = view.intrinsics.clone()
    intrinsics[:2, :2] *= factor
    # the principal point stays
    intrinsics[:2, 2] = view.intrinsics[:2, 2]
    return replace(view, intrinsics=intrinsics, sdd=factor * view.sdd, sad=None)


if __name__ == "__main__":
    main()
