"""How registration fares from far starts: one start, a search, and a trained model, on the same cases.

    python Testing/Benchmarks/starts.py --model Resources/SampleData/pelvis_lumbar_3mm_model.safetensors --suite wide

Methods are run case by case in turn, so that their times are of the same minutes. Success is an mTRE below 1 mm.
"""

from __future__ import annotations

import argparse
import json
import time
from collections.abc import Callable
from dataclasses import replace

import torch
from SphericalRegLib.registration.learned import learned_stage, prepare
from torch import Tensor

from SphericalRegLib.errors import InputError
from SphericalRegLib.evaluation import metrics
from SphericalRegLib.evaluation.cases import bone_points, capture_view, draw_case, simulated_xray
from SphericalRegLib.evaluation.statistics import percentile, smsr, wilson_interval
from SphericalRegLib.evaluation.suites import SUITES
from SphericalRegLib.geometry.volume import Volume
from SphericalRegLib.imaging.volume import to_volume
from SphericalRegLib.imaging.xray import XRay
from SphericalRegLib.io.ct import read_ct
from SphericalRegLib.networks.model import load_model
from SphericalRegLib.registration import Settings, register
from SphericalRegLib.sample import sample_path

Method = Callable[[Volume, XRay, Tensor], tuple[Tensor, Settings]]


def methods(suite: str, model_path: str | None) -> dict[str, Method]:
    """What is compared: an X-ray and a start to starts and settings."""
    study = SUITES[suite]
    search = Settings(range=study.search)
    alone = replace(search, candidates=1, retries=0)
    found: dict[str, Method] = {
        "intensity, one start": lambda volume, xray, start: (start, alone),
        "intensity, search": lambda volume, xray, start: (start, search),
        "intensity, search without retries": lambda volume, xray, start: (start, replace(search, retries=0)),
    }
    if model_path is None:
        return found
    model = load_model(model_path)
    stage = learned_stage(model)
    if stage is not None:
        learned = replace(alone, stages=(stage, *alone.stages[1:]))
        several = replace(learned, candidates=8, range=study.search)
        found["learned similarity, one start"] = lambda volume, xray, start: (start, learned)
        found["learned similarity, 8 starts"] = lambda volume, xray, start: (start, several)

        def search_learned_first(volume: Volume, xray: XRay, start: Tensor) -> tuple[Tensor, Settings]:
            only_encoders = replace(model, regressor=None)
            prepared = prepare(only_encoders, volume, [xray], start, search, learned_first=True)
            return prepared.starts, prepared.settings

        found["search, learned stage first (--learned_stage)"] = search_learned_first
    if model.regressor is not None:

        def pipeline(volume: Volume, xray: XRay, start: Tensor) -> tuple[Tensor, Settings]:
            prepared = prepare(model, volume, [xray], None if study.start is None else start, search)
            return prepared.starts, prepared.settings

        def regressed_once(volume: Volume, xray: XRay, start: Tensor) -> tuple[Tensor, Settings]:
            return prepare(model, volume, [xray], None, search).starts, alone

        found["model (default pipeline)"] = pipeline
        found["regressed pose, one start"] = regressed_once
        if stage is not None:

            def regressed_then_learned(volume: Volume, xray: XRay, start: Tensor) -> tuple[Tensor, Settings]:
                return prepare(model, volume, [xray], None, search).starts, learned

            found["regressed pose, then learned similarity"] = regressed_then_learned
    return found


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--ct", default=str(sample_path("pelvis_lumbar_3mm.nii.gz")))
    parser.add_argument("--suite", default="wide", choices=sorted(SUITES))
    parser.add_argument("--model")
    parser.add_argument("--cases", type=int, default=100)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--methods", nargs="+", help="only those whose names hold one of these words; all by default")
    parser.add_argument("--json", action="store_true")
    options = parser.parse_args()
    ct, view = read_ct(options.ct), capture_view()
    volume, points = to_volume(ct), bone_points(ct)
    table = {
        name: method
        for name, method in methods(options.suite, options.model).items()
        if options.methods is None or any(word in name for word in options.methods)
    }
    if not table:
        parser.error(f"no method is called {options.methods}")
    errors: dict[str, list[float]] = {name: [] for name in table}
    seconds: dict[str, list[float]] = {name: [] for name in table}
    wrong: dict[str, int] = dict.fromkeys(table, 0)
    refused: dict[str, int] = dict.fromkeys(table, 0)
    for index in range(-1, options.cases):
        # the first case is run once more before the others, to compile and load what is loaded once
        case = draw_case(max(index, 0), options.seed, view, volume.center, SUITES[options.suite])
        xray = simulated_xray(case, ct, view)
        for name, method in table.items():
            began = time.perf_counter()
            try:
                result = register(volume, [xray], *method(volume, xray, case.start[None]))
                pose, accepted = result.pose, result.verdict.accepted
            except InputError:
                # no pose was found, and the user was told: the start's error counts
                pose, accepted = case.start, False
            if index < 0:
                continue
            seconds[name].append(time.perf_counter() - began)
            errors[name].append(float(metrics.mtre(pose, case.truth, points)))
            wrong[name] += accepted and errors[name][-1] > 5
            refused[name] += not accepted and errors[name][-1] < 1
    rows = []
    for name, found in errors.items():
        low, high = wilson_interval(sum(error < 1 for error in found), len(found))
        rows.append(
            {
                "method": name,
                "smsr": smsr(found, 1.0),
                "smsr_wilson95": [round(low, 3), round(high, 3)],
                "median_mm": round(percentile(found, 50), 3),
                "p95_mm": round(percentile(found, 95), 3),
                "gross_failures": sum(error > 5 for error in found),
                "false_accepts": wrong[name],
                "false_rejects": refused[name],
                "median_s": round(percentile(seconds[name], 50), 3),
            }
        )
    if options.json:
        print(json.dumps({"suite": options.suite, "cases": options.cases, "seed": options.seed, "methods": rows}))
        return
    for row in rows:
        print("  ".join(f"{key} {value}" for key, value in row.items()))


if __name__ == "__main__":
    torch.manual_seed(0)
    main()
