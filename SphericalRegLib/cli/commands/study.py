"""``sphericalreg study``: methods trained and tried under one budget on the same cases, as tables and figures."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from pathlib import Path
from typing import Literal

from typing_extensions import Unpack

from SphericalRegLib.app.jobs.study_job import StudyJob, pieces
from SphericalRegLib.app.study.plan import read_plan
from SphericalRegLib.cli.console import Console
from SphericalRegLib.cli.process.signals import INTERRUPTED, Stopped
from SphericalRegLib.cli.running import Running, begin
from SphericalRegLib.errors import InputError
from SphericalRegLib.evaluation.study.engines import Engine, LocalEngine
from SphericalRegLib.evaluation.study.ray_engine import RayEngine
from SphericalRegLib.evaluation.study.result import StudyResult
from SphericalRegLib.reporting.study_figures import study_figures
from SphericalRegLib.reporting.study_report import study_html
from SphericalRegLib.reporting.study_tables import as_csv, latex, markdown
from SphericalRegLib.whole_file import write_whole


def study(
    plan: str,
    output: str,
    data: str | None = None,
    engine: Literal["local", "ray"] = "local",
    workers: int = 1,
    address: str | None = None,
    kernel: str = "auto",
    **options: Unpack[Running],
) -> int:
    """Train and try methods under one budget on the same cases; print the tables, and keep report.html with all of it.

    Research software, not a medical device. Stop it at any moment, or kill it: the same command goes on, and ends with
    the same figures (but for seconds). A plan with further rows, cases, seeds or tables runs what is new alone. The
    output keeps models, cases, tables.md, tables.csv, tables.tex, figures (SVG, PNG) and report.html.

    Args:
        plan: smoke (minutes, on the sample), two-cores (about three hours), paper (its sizes), or a YAML file.
        output: folder for all of it.
        data: folder in which the plan's CTs lie; by default that of the plan.
        engine: where work runs: processes of this machine, or a Ray cluster.
        workers: processes of the engine local; times of cases are only true with 1.
        address: of a Ray cluster, HOST:PORT or auto; by default one of this machine.
        kernel: of the renderer.
    """
    console = begin(options)
    if address is not None and engine != "ray":
        raise InputError("address is that of a Ray cluster: choose the engine ray, or leave it out.")
    what = read_plan(plan, data)
    runner: Engine = LocalEngine(workers) if engine == "local" else RayEngine(address)
    for line in pieces(what):
        console.say(line)
    job = StudyJob(what, Path(output), runner, kernel)
    with _told_what_is_kept(output):
        _follow(job, console)
    found = job.result()
    write_report(found, Path(output))
    print(markdown(found), end="")
    console.say(f"Report: {(Path(output) / 'report.html').resolve()}")
    return 0


def write_report(found: StudyResult, folder: Path) -> None:
    """Tables, figures and the page, each whole.

    Raises:
        InputError: where one cannot be written.
    """
    figures = list(study_figures(found))
    (folder / "figures").mkdir(parents=True, exist_ok=True)
    for figure in figures:
        write_whole(folder / "figures" / f"{figure.name}.png", figure.png)
        write_whole(folder / "figures" / f"{figure.name}.svg", figure.svg)
    for name, content in (("tables.md", markdown), ("tables.csv", as_csv), ("tables.tex", latex)):
        write_whole(folder / name, content(found))
    write_whole(folder / "report.html", study_html(found, figures))


@contextlib.contextmanager
def _told_what_is_kept(output: str) -> Iterator[None]:
    """Within it, one who stops the study learns that nothing is lost."""
    try:
        yield
    except KeyboardInterrupt as stop:
        code = stop.code if isinstance(stop, Stopped) else INTERRUPTED
        raise Stopped(code, f"what was done is kept: the same command goes on from {output}.") from None


def _follow(job: StudyJob, console: Console) -> None:
    with console.bar("study", 1000, "‰") as bar, contextlib.closing(iter(job)) as steps:
        for step in steps:
            bar.n = round(1000 * step.done)
            left = "" if step.seconds_left is None else f", {_time(step.seconds_left)} left"
            bar.set_postfix_str(f"{step.words}{left}")
            console.detail(f"{100 * step.done:.1f} %: {step.words}{left}")


def _time(seconds: float) -> str:
    return f"{seconds / 3600:.1f} h" if seconds >= 5400 else f"{max(1, round(seconds / 60))} min"
