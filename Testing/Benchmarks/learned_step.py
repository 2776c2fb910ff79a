"""How long a Levenberg-Marquardt step under a learned similarity takes: DRR, features, their derivatives, solve.

python Testing/Benchmarks/learned_step.py
"""

from __future__ import annotations

import argparse
import json
import statistics
import time

import torch

from SphericalRegLib.evaluation.cases import capture_view, draw_case, simulated_xray
from SphericalRegLib.imaging.volume import to_volume
from SphericalRegLib.io.ct import read_ct
from SphericalRegLib.networks.encoder import Encoder
from SphericalRegLib.registration import Look
from SphericalRegLib.registration.levels import Levels
from SphericalRegLib.sample import sample_path
from SphericalRegLib.similarity.learned import LearnedSimilarity
from SphericalRegLib.similarity.manifolds import MANIFOLDS


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--sizes", type=int, nargs="+", default=[32, 64, 128, 256])
    parser.add_argument("--repeats", type=int, default=15)
    parser.add_argument("--json", action="store_true")
    options = parser.parse_args()
    ct, view = read_ct(sample_path("pelvis_lumbar_3mm.nii.gz")), capture_view()
    volume = to_volume(ct)
    case = draw_case(0, 0, view, volume.center)
    xray = simulated_xray(case, ct, view)
    torch.manual_seed(0)
    # the time does not depend on what the weights are
    similarity = LearnedSimilarity(Encoder().eval(), Encoder().eval(), MANIFOLDS["spherical"])
    levels = Levels(volume, [xray], case.start, 0.0, "auto")
    told = {}
    for size in options.sizes:
        objective = levels.objective(Look(similarity, size))
        times = []
        for repeat in range(options.repeats + 2):
            began = time.perf_counter()
            with torch.no_grad():
                found = objective.linearize(objective.state(case.start[None]))
                damped = found.curvature + 0.1 * torch.diag_embed(found.curvature.diagonal(dim1=1, dim2=2))
                torch.linalg.solve(damped, -found.gradient)
            if repeat > 1:
                times.append(1e3 * (time.perf_counter() - began))
        told[f"step_ms_{size}"] = round(statistics.median(times), 1)
    print(json.dumps(told) if options.json else "\n".join(f"{k}: {v} ms" for k, v in told.items()))


if __name__ == "__main__":
    main()
