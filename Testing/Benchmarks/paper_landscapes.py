"""Landscapes over rotation and shift (the paper's Figure 3): distances between poses, and similarities.

    python Testing/Benchmarks/paper_landscapes.py --picture landscapes.png
    python Testing/Benchmarks/paper_landscapes.py --model MODEL.safetensors --picture landscapes.png

Around the true pose of X-rays from the simulator, rx ±1.0 rad and tx ±40 mm: the distances se(3), SO(4) and SO(4)
projected, gradient correlation, tone-free gradients and, with --model, the learned similarity. The picture shows the
first X-ray; numbers are of all of them. ``sphericalreg landscape`` does the same for any X-ray and any two parameters.
"""

from __future__ import annotations

import argparse
import json
from collections.abc import Sequence
from typing import Any

from paper_setting import Case, Study, one_thread, parser, say, study, write

from SphericalRegLib.evaluation.statistics import bootstrap_interval, percentile, wilson_interval
from SphericalRegLib.evaluation.suites import SUITES
from SphericalRegLib.landscape import (
    DISTANCES,
    PARAMETERS,
    Axis,
    PoseCosts,
    PoseDistances,
    PoseGrid,
    Survey,
    image_costs,
)
from SphericalRegLib.landscape.picture import draw
from SphericalRegLib.landscape.report import as_json
from SphericalRegLib.landscape.survey import Landscape
from SphericalRegLib.networks.model import load_model
from SphericalRegLib.registration.levels import Levels
from SphericalRegLib.registration.looks import looks_by_name
from SphericalRegLib.registration.system import learned_stage

#: As the paper's figure.
EXTENTS = {"rad": 1.0, "mm": 40.0}
INTENSITIES = ("gradient-ncc", "tone-free")


def surveyed(made: Study, case: Case, axes: tuple[Axis, Axis], pixels: int, model_path: str | None) -> Landscape:
    """All costs around one true pose.

    Raises:
        CheckpointError: for a model without encoders.
    """
    volume = made.volume
    grid = PoseGrid(*axes, case.truth, volume.center, case.xray.view.camera_from_rig)
    length = Levels(volume, [case.xray], case.truth, 0.0, "auto").length
    looks = looks_by_name(INTENSITIES, pixels)
    if model_path is not None:
        model = load_model(model_path)
        model.check_ct(volume)
        looks[f"learned, {model.card.manifold}"] = learned_stage().look.of(model)
    costs: list[PoseCosts] = [
        PoseDistances(DISTANCES, case.truth, case.xray.view, volume.center, length),
        *image_costs(volume, [case.xray], case.truth, looks),
    ]
    survey = Survey(grid, costs, length)
    for _ in survey:
        pass
    return survey.landscape()


def over_cases(found: Sequence[dict[str, Any]], axes: tuple[Axis, Axis]) -> dict[str, Any]:
    """Numbers of one cost over all X-rays: medians with bootstrap intervals, and how often there is one minimum."""
    single = sum(one["local_minima"] == 1 for one in found)
    away = [one["minimum"]["from_center_mm"] for one in found]
    told: dict[str, Any] = {
        "cases": len(found),
        "one_minimum": single / len(found),
        "one_minimum_wilson95": [round(x, 3) for x in wilson_interval(single, len(found))],
        "minimum_off_mm": round(percentile(away, 50), 2),
        "minimum_off_bootstrap95": [round(x, 2) for x in bootstrap_interval(away)],
    }
    for axis in axes:
        radii = [one["monotone_basin"][axis.parameter]["radius"] for one in found]
        told[f"basin_{axis.parameter}"] = round(percentile(radii, 50), 3)
        told[f"basin_{axis.parameter}_bootstrap95"] = [round(x, 3) for x in bootstrap_interval(radii)]
    return told


def main(arguments: Sequence[str] | None = None) -> None:
    options = _options().parse_args(arguments)
    one_thread()
    first, second = (Axis(name, EXTENTS[PARAMETERS[name].unit], options.steps) for name in options.parameters)
    made = study(options.ct, SUITES["capture"], options.cases, options.seed)
    numbers = []
    for n, case in enumerate(made.cases):
        landscape = surveyed(made, case, (first, second), options.pixels, options.model)
        numbers.append(as_json(landscape)["costs"])
        if n == 0 and options.picture:
            write(draw(landscape), options.picture)
    rows = {name: over_cases([one[name] for one in numbers], (first, second)) for name in numbers[0]}
    for name, row in rows.items():
        basins = "; ".join(
            f"basin {axis.parameter} {row[f'basin_{axis.parameter}']:g} {axis.unit} "
            f"({row[f'basin_{axis.parameter}_bootstrap95'][0]:g} to {row[f'basin_{axis.parameter}_bootstrap95'][1]:g})"
            for axis in (first, second)
        )
        low, high = row["one_minimum_wilson95"]
        say(
            f"{name}: one minimum in {100 * row['one_minimum']:.0f} % ({100 * low:.0f} to {100 * high:.0f}), "
            f"{row['minimum_off_mm']:g} mm off the truth; {basins}"
        )
    if options.json:
        print(
            json.dumps({"parameters": options.parameters, "steps": options.steps, "seed": options.seed, "costs": rows})
        )


def _options() -> argparse.ArgumentParser:
    made = parser(__doc__, cases=20)
    made.add_argument("--parameters", nargs=2, default=["rx", "tx"], choices=list(PARAMETERS))
    made.add_argument("--steps", type=int, default=41, help="along each of the two (default: 41)")
    made.add_argument("--pixels", type=int, default=64, help="of intensity similarities; a model sets its own")
    made.add_argument("--model", help="adds its learned similarity")
    return made


if __name__ == "__main__":
    main()
