"""What bends depth: each cause alone in a clinical X-ray, and what the last stage makes of it, with its cure or not.

    python Testing/Benchmarks/depth_causes.py --ct CT --cases 14 --seed 0

Each X-ray is clean but for one cause, drawn as the clinical level draws it; "all" has every one. Alignment begins at
the truth, so that only the optimum's place is measured and nothing that a search could lose. Positive is away from the
source. "all pixels" is the last stage without bone's weights, "bone" as the systems have it.
"""

from __future__ import annotations

import argparse
import json
from collections.abc import Callable
from dataclasses import replace

import numpy as np
import torch
from machine import describe
from scipy import stats

from SphericalRegLib.evaluation.cases import CaptureCase, bone_points, capture_view, simulated_xray
from SphericalRegLib.evaluation.suites import SUITES, VIEW_SETS, VIEWS
from SphericalRegLib.geometry import se3
from SphericalRegLib.geometry.carm import pose_from_angles
from SphericalRegLib.geometry.view import View
from SphericalRegLib.imaging.ct import CT
from SphericalRegLib.imaging.volume import to_volume
from SphericalRegLib.initialization import Known, SearchRange
from SphericalRegLib.io.ct import read_ct
from SphericalRegLib.registration import SYSTEMS, Case, System, register
from SphericalRegLib.sample import sample_path
from SphericalRegLib.simulation.degrade import Degradations
from SphericalRegLib.simulation.levels import CLINICAL

#: What of a clinical X-ray each cause is, by name.
CAUSES: dict[str, tuple[str, ...]] = {
    "none of them": (),
    "scatter": ("scatter",),
    "veiling glare": ("glare",),
    "heel effect, vignette, flat field": ("beam",),
    "noise and blur": ("exposure", "electronic_noise", "focal_spot_mm", "mtf_half", "blur_sigma_px"),
    "display curve and bits": ("display", "log_output", "bits"),
    "soft tissue and gas that moved": ("soft_tissue",),
    "table": ("slabs",),
    "finer voxels than the CT's": ("voxel_mm",),
    "collimator": ("collimation", "collimator_edge_mm", "collimator_leakage"),
    "instruments and letters": ("instruments", "lettering"),
}
_ALL = "all"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--ct", default=str(sample_path("pelvis_lumbar_3mm.nii.gz")))
    parser.add_argument("--cases", type=int, default=14, help="of each cause; views in turn")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--json", action="store_true", help="print the figures as JSON in the last line")
    arguments = parser.parse_args()
    print(describe("cpu"), flush=True)
    figures = study(read_ct(arguments.ct), arguments.cases, arguments.seed, say=lambda line: print(line, flush=True))
    if arguments.json:
        print(json.dumps(figures))


def study(ct: CT, cases: int, seed: int, say: Callable[[str], None]) -> dict[str, dict[str, dict[str, float]]]:
    """{cause: {system: figures}}; a row is said as soon as it is known."""
    volume, points, view = to_volume(ct), bone_points(ct), capture_view()
    systems = {"all pixels": from_the_truth(bone=False), "bone": from_the_truth(bone=True)}
    say("| cause | all pixels: depth, median (95 %); absolute | bone: depth, median (95 %); absolute |")
    say("|---|---|---|")
    figures: dict[str, dict[str, dict[str, float]]] = {}
    for cause in (*CAUSES, _ALL):
        errors: dict[str, list[float]] = {name: [] for name in systems}
        for index in range(cases):
            rng = np.random.default_rng(np.random.SeedSequence(seed, spawn_key=(index,)))
            truth = drawn_truth(rng, index, view, volume.center)
            drawn = CLINICAL.draw(rng, view, ct, index % 2 == 0)
            degradations = drawn if cause == _ALL else alone(drawn, CAUSES[cause])
            xray = simulated_xray(CaptureCase(index, cause, truth, truth, degradations, index), ct, view)
            for name, system in systems.items():
                pose = register(Case(volume, (xray,), poses=truth), system).pose
                off = (se3.transform_points(pose, points) - se3.transform_points(truth, points)).mean(0)
                errors[name].append(float(off[2]))
        figures[cause] = {name: summary(values) for name, values in errors.items()}
        cells = [
            f"{row['median']:+.2f} ({row['low']:+.2f} to {row['high']:+.2f}); {row['absolute']:.2f} mm"
            for row in figures[cause].values()
        ]
        say(f"| {cause} | {' | '.join(cells)} |")
    return figures


def from_the_truth(bone: bool) -> System:
    """The default system's last stage, from one start."""
    intensity = SYSTEMS["intensity"]
    last = intensity.stages[-1]
    if not bone:
        last = replace(last, look=replace(last.look, bone_hu=None, parted=False))
    return replace(intensity, stages=(last,), retries=0, again=(), initializer=Known.around(SearchRange(), 1))


def alone(drawn: Degradations, fields: tuple[str, ...]) -> Degradations:
    """A clean X-ray with only these fields of a drawn one."""
    return replace(Degradations(log_output=True), **{name: getattr(drawn, name) for name in fields})


def drawn_truth(rng: np.random.Generator, index: int, view: View, center: torch.Tensor) -> torch.Tensor:
    """A pose (4, 4) around the views in turn, as the capture suite draws it."""
    names = VIEW_SETS["all"]
    assert view.sad is not None
    nominal = pose_from_angles(*VIEWS[names[index % len(names)]], view.sad, center)
    twist = torch.from_numpy(rng.uniform(-1, 1, 6)) * SUITES["capture"].truth.twist
    return se3.about(twist, nominal, center)


def summary(errors: list[float]) -> dict[str, float]:
    """Median with its 95 % interval, and median of the absolute values, mm."""
    drawn = stats.bootstrap((errors,), np.median, method="percentile", random_state=np.random.default_rng(0))
    return {
        "median": float(np.median(errors)),
        "low": float(drawn.confidence_interval.low),
        "high": float(drawn.confidence_interval.high),
        "absolute": float(np.median(np.abs(errors))),
    }


if __name__ == "__main__":
    main()
