"""``sphericalreg evaluate``: accuracy over many cases with known truth."""

from __future__ import annotations

import contextlib
import json as json_text
from dataclasses import asdict, replace
from typing import Literal

from typing_extensions import Unpack

from SphericalRegLib.cli.choices import OptimizerName, SimilarityName
from SphericalRegLib.cli.console import Console
from SphericalRegLib.cli.ct_reading import CTReading, read_scan
from SphericalRegLib.cli.device import DeviceName, choose_device
from SphericalRegLib.cli.outputs import output_files
from SphericalRegLib.errors import InputError
from SphericalRegLib.evaluation.capture import evaluate_capture
from SphericalRegLib.evaluation.capture_report import CaptureRow
from SphericalRegLib.evaluation.suites import suite_named
from SphericalRegLib.networks.model import load_model
from SphericalRegLib.registration import Settings, ending_with
from SphericalRegLib.threads import set_threads


def evaluate(
    ct: str,
    suite: Literal["capture", "blind", "wide", "agnostic"] = "capture",
    cases: int = 100,
    seed: int = 0,
    model: str | None = None,
    labels: str | None = None,
    label_names: str | None = None,
    bones: list[int | str] | None = None,
    downsample: int = 1,
    candidates: int | None = None,
    similarity: SimilarityName | None = None,
    optimizer: OptimizerName | None = None,
    kernel: str = "auto",
    workers: int = 1,
    device: DeviceName = "auto",
    csv: str | None = None,
    json: bool = False,
    threads: int | None = None,
    quiet: bool = False,
    verbose: bool = False,
    **reading: Unpack[CTReading],
) -> int:
    """Register simulated X-rays from starts far off, and tell how often, how exactly and how fast it succeeds.

    Research software, not a medical device. X-rays come from the simulator with all degradations drawn at random, half
    with instruments; truths lie ±20°, ±50 mm in plane, ±60 mm in depth about AP. Suites: capture and agnostic: starts
    off by ±20°, ±40 mm, ±80 mm; wide: by ±45°, ±80 mm, ±150 mm; blind: no start, and ±100 mm in depth.

    Args:
        ct: CT in Hounsfield units: NRRD, NIfTI, MHA, or a folder with a DICOM series.
        suite: which study.
        cases: how many.
        seed: of the study; case i of a seed is always the same.
        model: a trained one to register with; without it the search serves.
        labels: label map on the CT's grid.
        label_names: JSON file with the labels' names.
        bones: register only these, in X-rays of everything.
        downsample: average the CT over that many voxels along each axis.
        candidates: poses tried around each start.
        similarity: by which the last stage aligns, instead of the measured best; the verdict goes on judging as it was
            measured.
        optimizer: with which the last stage aligns, instead of Levenberg-Marquardt.
        kernel: of the renderer: auto, numba, torch.
        workers: processes; times are only true with 1.
        device: what computes.
        csv: file for one line a case.
        json: print the figures as one line of JSON, last.
        threads: of the processor to compute with, all workers together; by default one for each processor.
        quiet: no messages.
        verbose: one line a case, and tracebacks.
    """
    console = Console(quiet, verbose)
    set_threads(threads)
    if seed < 0:
        raise InputError(f"seed is {seed}: give 0 or more.")
    with contextlib.ExitStack() as stack:
        # entered before the study: a place that cannot be written to is told at once
        read = [ct, labels, label_names, model]
        (file,) = (None,) if csv is None else stack.enter_context(output_files(console, [csv], read))
        scan = read_scan(ct, reading, labels, label_names, downsample, console)
        study = suite_named(suite)
        trained = None if model is None else load_model(model)
        settings = Settings(kernel=kernel, seed=seed, range=study.search)
        if candidates is not None:
            settings = replace(settings, candidates=candidates)
        settings = ending_with(settings, similarity, optimizer)
        with console.bar(f"{suite} study", cases, "case") as bar:

            def tell(row: CaptureRow) -> None:
                bar.update()
                bar.set_postfix_str(f"{row.mtre_mm:.2f} mm, {'accepted' if row.accepted else 'rejected'}")
                console.detail(json_text.dumps(asdict(row)))

            report = evaluate_capture(
                scan,
                cases,
                seed,
                suite=study,
                model=trained,
                settings=settings,
                labels=bones,
                progress=tell,
                workers=workers,
                device=choose_device(device),
            )
        if file is not None:
            report.write_csv(file)
    summary = report.summary()
    if json:
        print(json_text.dumps(summary))
    else:
        width = max(len(name) for name in summary)
        for name, value in summary.items():
            print(f"{name:{width}}  {_shown(value)}")
    return 0


def _shown(value: object) -> str:
    if isinstance(value, list):
        return " to ".join(_shown(item) for item in value)
    return f"{value:.3f}" if isinstance(value, float) else str(value)
