"""``sphericalreg dataset check``: whether a data set on the disk is whole, and its poses are truths for its images."""

from __future__ import annotations

import json as json_text
from dataclasses import asdict
from typing import Literal

from typing_extensions import Unpack

from SphericalRegLib.cli.parsing.choices import DatasetName
from SphericalRegLib.cli.running import Running, begin
from SphericalRegLib.evaluation.datasets.check import Finding, check_dataset
from SphericalRegLib.evaluation.datasets.table import DATASETS, kind_of, open_dataset

_WHOLE, _BROKEN = 0, 2


def dataset(
    action: Literal["check"],
    path: str,
    kind: DatasetName = "auto",
    half_voxel: bool = False,
    images: bool = True,
    json: bool = False,
    **options: Unpack[Running],
) -> int:
    """Read a data set from end to end: the layout, every pose against its landmarks (within 1 pixel), CTs and X-rays.

    Research software, not a medical device. Nothing is downloaded and nothing is written. Data sets: deepfluoro (the
    HDF5 file of doi 10.7281/T1/IFSXNV), ljubljana (ljubljana.h5), ctspine1k (the folder that holds raw_data), or a
    folder of your own: PATIENT/ct.nii.gz, PATIENT/labels.nii.gz where there are labels, and for each X-ray
    PATIENT/xrays/NAME.dcm (or a picture) with NAME.json, its geometry and true pose, and NAME.csv, its landmarks
    (name,x,y,z,u,v). Exit code 2: something is wrong; all that is, is told.

    Args:
        action: check.
        path: file or folder.
        kind: which data set; auto looks at what is there.
        half_voxel: of DeepFluoro, move the CT by half a millimeter along each axis, as its author's later tools do.
        images: whether CTs and X-rays are read as well, which takes some seconds a patient.
        json: print JSON, one line a patient.
    """
    console = begin(options)
    name = kind_of(path) if kind == "auto" else kind
    data = open_dataset(path, name, half_voxel)
    notes = list(data.notes)
    if not json:
        print(f"{path}: {DATASETS[name].title}, {len(data.names)} patients")
        for note in notes:
            print(f"  {note}")
    broken = 0
    with console.bar("patients", len(data.names), "patient") as bar:
        for finding in check_dataset(data, images):
            bar.update()
            broken += bool(finding.problems)
            print(json_text.dumps(asdict(finding)) if json else _shown(finding))
    if not json:
        print("all of it can be used" if not broken else f"{broken} of {len(data.names)} patients cannot be used")
    return _BROKEN if broken else _WHOLE


def _shown(finding: Finding) -> str:
    told = [f"{finding.frames} X-rays"]
    if finding.checked:
        told.append(f"landmarks of {finding.checked} within {finding.farthest_px:.2f} px of their marks")
    if finding.flagged:
        told.append(f"{finding.flagged} flagged")
    if finding.voxels is not None:
        told.append(f"CT {' × '.join(map(str, finding.voxels))}, {finding.labels} labels")
    lines = [f"{finding.name}: {', '.join(told)}"]
    lines += [f"  {note}" for note in finding.notes]
    lines += [f"  WRONG: {problem}" for problem in finding.problems]
    return "\n".join(lines)
