"""How well the usable pixels of an X-ray are found from its pixels alone, on simulated X-rays of every level.

    python Testing/Benchmarks/masks.py --cases 100 --seed 0

The simulator knows which pixels its collimator covers; the file that is read back does not say. Of each kind of field
and each filling: the share of covered pixels that stayed in the mask (missed), of open pixels behind the patient that
were left out (lost, by their mean, the worst case, and in how many cases more than 5 % went), and the same of open air.
"""

from __future__ import annotations

import argparse
import json
import tempfile
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import torch
from machine import describe
from numpy.typing import NDArray
from scipy import ndimage

from SphericalRegLib.evaluation.cases import capture_view
from SphericalRegLib.geometry import se3
from SphericalRegLib.geometry.carm import PRESETS, pose_from_preset
from SphericalRegLib.geometry.view import View
from SphericalRegLib.imaging.ct import CT
from SphericalRegLib.imaging.mask import estimate_mask
from SphericalRegLib.imaging.volume import to_volume
from SphericalRegLib.io.ct import read_ct
from SphericalRegLib.io.xray import read_xray
from SphericalRegLib.sample import sample_path
from SphericalRegLib.simulation.dicom_writer import write_xray_dicom
from SphericalRegLib.simulation.instruments import Circle, Margins, transmission
from SphericalRegLib.simulation.levels import LEVELS
from SphericalRegLib.simulation.simulate import SimulatedXRay, simulate

# Pixels so near an edge are neither covered nor open: penumbra, blur and the margin of the mask itself.
_EDGE_PX = 3
# g/cm²: a table with its cushion stays below, a patient's skin does not for long.
_PATIENT = 2.0

Bool = NDArray[np.bool_]


@dataclass(frozen=True)
class Case:
    """One X-ray as it is read, and what the simulator knows of it.

    Attributes:
        level: by name.
        kind: of field.
        filling: how the file shows what is covered, and which way its values run.
        image: (H, W) bright = dense.
        covered, patient, air: (H, W) bool: surely behind the collimator; surely open, behind the patient and beside.
    """

    level: str
    kind: str
    filling: str
    image: NDArray[np.float32]
    covered: Bool
    patient: Bool
    air: Bool


def cases(ct: CT, level: str, count: int, seed: int) -> Iterator[Case]:
    """Cases of a level in all four standard views, up to 20° about each axis, 40 mm in plane and 60 mm in depth off."""
    center, view, names = to_volume(ct).center, capture_view(), list(PRESETS)
    for index in range(count):
        rng = np.random.default_rng([seed, index])
        off = torch.from_numpy(rng.uniform(-1, 1, 6) * [*[np.deg2rad(20)] * 3, 40, 40, 60])
        pose = se3.about(off, pose_from_preset(names[index % len(names)], 700.0, center), center)
        degradations = LEVELS[level].draw(rng, view, ct, bool(rng.random() < 0.5))
        # finer voxels and moved tissue change the patient, not the field, and take most of the time
        degradations = replace(degradations, voxel_mm=None, soft_tissue=None)
        xray = simulate(ct.hu, ct.world_from_voxel, view, pose.numpy(), degradations, seed=index)
        yield _case(level, xray, view)


def _case(level: str, xray: SimulatedXRay, view: View) -> Case:
    untold = replace(xray, degradations=replace(xray.degradations, collimation=None))
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "xray.dcm"
        write_xray_dicom(path, untold, view)
        image = read_xray(path).image
    opaque = xray.occluded | (transmission(xray.degradations.lettering, *xray.valid.shape) < 0.99)
    opened = ndimage.binary_erosion(xray.valid, iterations=_EDGE_PX, border_value=1)
    opened &= ~ndimage.binary_dilation(opaque, iterations=_EDGE_PX)
    # what is burnt out where the patient is densest tells nothing, and may go
    burnt = xray.intensity == _densest(xray)
    opened &= ~ndimage.binary_dilation(burnt & xray.valid, iterations=_EDGE_PX)
    covered = ndimage.binary_erosion(~xray.valid, iterations=_EDGE_PX, border_value=1)
    patient = xray.primary.sum(-1) > _PATIENT
    return Case(level, _kind(xray), _filling(xray), image, covered, opened & patient, opened & ~patient)


def _densest(xray: SimulatedXRay) -> int:
    """The stored value of no signal."""
    display = xray.degradations.display
    return 2**xray.bits - 1 if display is not None and display.bone_bright else 0


def _kind(xray: SimulatedXRay) -> str:
    field = xray.degradations.collimation
    if field is None:
        return "none"
    if isinstance(field, Margins):
        return "rectangle"
    if isinstance(field, Circle):
        return "circle"
    return "turned" if len(field.corners) == 4 else "polygon"


def _filling(xray: SimulatedXRay) -> str:
    display = xray.degradations.display
    if display is None:
        return "raw"
    bone = "bone bright" if display.bone_bright else "bone dark"
    if xray.degradations.collimation is None:
        return bone
    return f"{bone}, {'scatter' if display.shutter is None else display.shutter}"


def measured(case: Case, mask: Bool) -> dict[str, float]:
    """Shares: of covered pixels missed, of open ones lost; NaN where there are none."""

    def share(wrong: Bool, among: Bool) -> float:
        return float(wrong[among].mean()) if among.any() else float("nan")

    return {
        "missed": share(mask, case.covered),
        "lost": share(~mask, case.patient),
        "lost_air": share(~mask, case.air),
    }


def summary(rows: Sequence[dict[str, float]]) -> dict[str, float | int]:
    """Means over the cases, and how many were bad."""
    missed, lost, air = (np.array([row[key] for row in rows]) for key in ("missed", "lost", "lost_air"))
    some = missed[~np.isnan(missed)]
    return {
        "cases": len(rows),
        "missed": float(some.mean()) if len(some) else float("nan"),
        "missed_most": int((some > 0.5).sum()),
        "lost": float(np.nanmean(lost)),
        "lost_worst": float(np.nanmax(lost)),
        "lost_above_5": int((lost > 0.05).sum()),
        "lost_air": float(np.nanmean(air)) if not np.isnan(air).all() else float("nan"),
    }


def table(measures: Sequence[tuple[Case, dict[str, float]]], by: Callable[[Case], str]) -> dict[str, dict[str, float]]:
    """Rows by name, the names in order."""
    names = sorted({by(case) for case, _ in measures})
    return {name: summary([row for case, row in measures if by(case) == name]) for name in names}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--ct", default=str(sample_path("pelvis_lumbar_3mm.nii.gz")))
    parser.add_argument("--level", nargs="+", choices=list(LEVELS), default=list(LEVELS))
    parser.add_argument("--cases", type=int, default=100, help="of each level")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--json", action="store_true")
    options = parser.parse_args()
    print(describe("cpu"), flush=True)
    ct = read_ct(options.ct)
    measures = [
        (case, measured(case, estimate_mask(case.image)))
        for level in options.level
        for case in cases(ct, level, options.cases, options.seed)
    ]
    groups: dict[str, Callable[[Case], str]] = {
        "level": lambda case: case.level,
        "field": lambda case: case.kind,
        "filling": lambda case: case.filling,
    }
    tables = {title: table(measures, by) for title, by in groups.items()}
    show(tables)
    if options.json:
        print(json.dumps({"ct": options.ct, "cases": options.cases, "seed": options.seed, **tables}))


def show(tables: dict[str, dict[str, dict[str, float]]]) -> None:
    """Print them."""
    for title, rows in tables.items():
        print(f"\n{title:24}  n  missed  >half missed   lost  worst  >5 % lost  air lost")
        for name, row in rows.items():
            print(
                f"{name:22}{row['cases']:5} {100 * row['missed']:6.1f}% {row['missed_most']:10} "
                f"{100 * row['lost']:8.2f}% {100 * row['lost_worst']:5.1f}% {row['lost_above_5']:8} "
                f"{100 * row['lost_air']:8.1f}%"
            )


if __name__ == "__main__":
    main()
