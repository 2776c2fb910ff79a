"""``sphericalreg evaluate``: accuracy over many cases with known truth."""

from __future__ import annotations

import contextlib
import json as json_text
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from pathlib import Path

from typing_extensions import Unpack

from SphericalRegLib.app.device import DeviceName, choose_device
from SphericalRegLib.app.jobs.evaluation_job import EvaluationJob
from SphericalRegLib.cli.console import Console
from SphericalRegLib.cli.outputs import output_files
from SphericalRegLib.cli.parsing.choices import LevelName, OptimizerName, SimilarityName, SuiteName, ViewSetName
from SphericalRegLib.cli.reading.ct_reading import CTReading, read_scan
from SphericalRegLib.cli.reading.system_choice import chosen_system
from SphericalRegLib.errors import InputError
from SphericalRegLib.evaluation.capture import CaptureStudy
from SphericalRegLib.evaluation.capture_report import CaptureReport, as_csv
from SphericalRegLib.evaluation.comparison import pairs, summaries
from SphericalRegLib.evaluation.suites import VIEW_SETS, suite_named
from SphericalRegLib.initialization import Uncertainty
from SphericalRegLib.networks.model import load_model
from SphericalRegLib.registration import Conditions, System
from SphericalRegLib.reporting.comparison import comparison_html, comparison_text
from SphericalRegLib.simulation.levels import level_named
from SphericalRegLib.threads import set_threads
from SphericalRegLib.whole_file import write_whole


def evaluate(
    ct: str,
    suite: SuiteName | None = None,
    level: LevelName = "clinical",
    views: ViewSetName = "all",
    parts: bool | None = None,
    cases: int = 100,
    seed: int = 0,
    model: str | None = None,
    labels: str | None = None,
    label_names: str | None = None,
    bones: list[int | str] | None = None,
    downsample: int = 1,
    system: list[str] | None = None,
    candidates: int | None = None,
    similarity: SimilarityName | None = None,
    optimizer: OptimizerName | None = None,
    uncertainty: Uncertainty = "calibrated",
    kernel: str = "auto",
    workers: int = 1,
    device: DeviceName = "auto",
    csv: str | None = None,
    html: str | None = None,
    json: bool = False,
    threads: int | None = None,
    quiet: bool = False,
    verbose: bool = False,
    **reading: Unpack[CTReading],
) -> int:
    """Register simulated X-rays from starts far off, and tell how often, how exactly and how fast it succeeds.

    Research software, not a medical device. X-rays come from the simulator with all degradations drawn at random, half
    with instruments; truths lie ±20°, ±50 mm in plane, ±60 mm in depth about a view. Suites: capture and agnostic:
    starts off by ±20°, ±40 mm, ±80 mm; wide: by ±45°, ±80 mm, ±150 mm; bones: by ±10°, ±10 mm; blind: no start, and
    ±100 mm in depth. Whatever the system, it searches as far as the suite's starts are off.

    Args:
        ct: CT in Hounsfield units: NRRD, NIfTI, MHA, or a folder with a DICOM series.
        suite: which study; by default capture, or bones where bones are chosen.
        level: how hard the X-rays are: mild, clinical (what leaves an operating room on most days) or harsh.
        views: around which views truths lie: all (AP, PA, laterals, obliques in turn) or ap.
        parts: whether half of the cases are registered by a part of the CT, to an X-ray of all of it; by default yes,
            but for mild X-rays, chosen bones and models.
        cases: how many.
        seed: of the study; case i of a seed is always the same.
        model: a trained one to register with; without it the search serves.
        labels: label map on the CT's grid.
        label_names: JSON file with the labels' names.
        bones: register only these, in X-rays of everything.
        downsample: average the CT over that many voxels along each axis.
        system: one or several of "sphericalreg systems", YAML files or result.json: several are compared, the first
            with each of the others. By default what register runs.
        candidates: poses followed around each start, of a survey the best.
        similarity: by which the last stage aligns, instead of the measured best; the verdict goes on judging as it was
            measured.
        optimizer: with which the last stage aligns, instead of Levenberg-Marquardt.
        uncertainty: where intervals come from: "calibrated", or "simulated" for each case, which takes long.
        kernel: of the renderer: auto, or a name that `sphericalreg info` lists.
        workers: processes; times are only true with 1.
        device: what computes.
        csv: file for one line a case and system.
        html: file for a page with table, tests and plots.
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
        wanted = [path for path in (csv, html) if path is not None]
        files = stack.enter_context(output_files(console, wanted, read)) if wanted else []
        written = dict(zip(wanted, files, strict=True))
        scan = read_scan(ct, reading, labels, label_names, downsample, console)
        study = suite_named(suite or ("capture" if bones is None else "bones"))
        trained = None if model is None else load_model(model)
        systems = [
            one.searching(study.search, candidates).ending_with(similarity, optimizer)
            for one in _systems(system, bones is not None, model is not None)
        ]
        job = EvaluationJob(
            CaptureStudy(
                scan,
                systems,
                cases,
                seed,
                suite=study,
                level=level_named(level),
                views=VIEW_SETS[views],
                parts=level != "mild" and bones is None and model is None if parts is None else parts,
                model=trained,
                conditions=Conditions(kernel, seed, uncertainty=uncertainty),
                labels=bones,
                workers=workers,
                device=choose_device(device),
            )
        )
        _follow(job, console, f"{study.name} study", cases * len(systems))
        reports = job.result()
        _write(
            reports,
            written.get(csv or ""),
            written.get(html or ""),
            f"{study.name} study of {Path(ct).name}, seed {seed}",
        )
    _print(reports, json)
    return 0


def _systems(names: Sequence[str] | None, bones: bool, model: bool) -> list[System]:
    """Those that are named, or what runs where nobody chooses."""
    named: list[str | None] = [*names] if names else [None]
    return [chosen_system(name, bones=bones, model=model) for name in named]


def _follow(job: EvaluationJob, console: Console, name: str, rows: int) -> None:
    """Run it, and tell of each row."""
    with console.bar(name, rows, "case") as bar:
        for step in job:
            row = step.row
            bar.update()
            bar.set_postfix_str(f"{row.mtre_mm:.2f} mm, {'accepted' if row.accepted else 'rejected'}")
            console.detail(json_text.dumps(asdict(row)))


def _write(reports: Mapping[str, CaptureReport], csv: Path | None, html: Path | None, heading: str) -> None:
    """The files that are asked for."""
    if csv is not None:
        write_whole(csv, as_csv([row for report in reports.values() for row in report.rows]))
    if html is not None:
        write_whole(html, comparison_html(reports, heading))


def _print(reports: Mapping[str, CaptureReport], json: bool) -> None:
    """The figures of one system, or those of several beside one another."""
    if len(reports) > 1:
        if json:
            tests = [asdict(pair) for pair in pairs(reports)]
            print(json_text.dumps({"systems": summaries(reports), "paired": tests}))
        else:
            print(comparison_text(reports))
        return
    (report,) = reports.values()
    summary = report.summary()
    if json:
        print(json_text.dumps(summary))
        return
    width = max(len(name) for name in summary)
    for name, value in summary.items():
        print(f"{name:{width}}  {_shown(value)}")


def _shown(value: object) -> str:
    if isinstance(value, list):
        return " to ".join(_shown(item) for item in value)
    return f"{value:.3f}" if isinstance(value, float) else str(value)
