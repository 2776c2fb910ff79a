"""A comparison study as a job: trainings, then cases, then bars; whatever was done is kept, and done once."""

from __future__ import annotations

import hashlib
import json
import time
from collections.abc import Callable, Generator, Iterable, Sequence
from contextlib import closing
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

from SphericalRegLib.app.study.plan import Source, StudyPlan, TablePlan
from SphericalRegLib.app.study.recipes import plan_of
from SphericalRegLib.app.study.rows import MISSING, StudyRow
from SphericalRegLib.app.study.training import TrainingOrder, figures_from, order_name, train
from SphericalRegLib.errors import InputError
from SphericalRegLib.evaluation.capture import CaptureStudy
from SphericalRegLib.evaluation.capture_report import CaptureReport
from SphericalRegLib.evaluation.datasets import Subject, open_dataset
from SphericalRegLib.evaluation.statistics import percentile
from SphericalRegLib.evaluation.study.bars import Bars, improved_share, median_or_none
from SphericalRegLib.evaluation.study.curves import CaseCurves, case_curves
from SphericalRegLib.evaluation.study.engines import Engine, LocalEngine
from SphericalRegLib.evaluation.study.journal import Journal
from SphericalRegLib.evaluation.study.placed import StudyBench, frame_bench, offset_of, study_bench, usual_view
from SphericalRegLib.evaluation.study.result import RowResult, StudyResult, TableResult
from SphericalRegLib.evaluation.study.work import RowBench, from_truth, gradient_angle, register_case
from SphericalRegLib.evaluation.suites import VIEW_SETS, suite_named
from SphericalRegLib.file_lock import FileLock, NoLocksError
from SphericalRegLib.imaging.ct import CT
from SphericalRegLib.imaging.fingerprint import fingerprint
from SphericalRegLib.imaging.volume import to_volume
from SphericalRegLib.initialization import Known
from SphericalRegLib.io.ct import read_ct
from SphericalRegLib.networks.model import load_model
from SphericalRegLib.optimization.sampling import check_library
from SphericalRegLib.registration import SYSTEMS
from SphericalRegLib.registration.plain import as_plain
from SphericalRegLib.reporting.outcome import versions
from SphericalRegLib.simulation.levels import level_named
from SphericalRegLib.text_files import read_json_file
from SphericalRegLib.training.plan import Plan
from SphericalRegLib.whole_file import write_whole

# Added to the seed of the cases: bars are never measured on a case that counts.
_ASIDE = 1_000_003


@dataclass(frozen=True)
class StudyStep:
    """Something was done.

    Attributes:
        words: what.
        done: of all pieces of work, 0 to 1.
        seconds_left: at the pace so far; None before anything was timed.
    """

    words: str
    done: float
    seconds_left: float | None


@dataclass(frozen=True)
class _Run:
    """Cases of one row and one seed of its training."""

    table: TablePlan
    row: StudyRow
    seed: int
    order: TrainingOrder | None

    @property
    def name(self) -> str:
        table = self.table
        where = f"{table.test.name}-{table.suite}-{table.level}-{table.views}"
        trained = "" if self.order is None else f"-seed{self.seed}-{self.order.name.rpartition('-')[2]}"
        return f"{where}-{self.row.name}{trained}"


class StudyJob:
    """See :class:`~SphericalRegLib.app.jobs.job.Job`. Steps are :class:`StudyStep`.

    To cancel it, close the iterator, or kill the process: the same plan in the same folder goes on, and ends with the
    same figures but for the seconds. A plan with further rows, cases, seeds or tables runs what is new alone.

    Args:
        plan: of the study.
        folder: for models, cases and reports; made if it is not there.
        engine: where work runs.
        kernel: of the renderer.
        clock: tells seconds.

    Raises:
        InputError: for CTs that cannot be read, rows whose optimizer's library is not installed, or a folder with cases
            of other settings; while it runs, for a folder in which another process works.
    """

    def __init__(
        self,
        plan: StudyPlan,
        folder: Path,
        engine: Engine | None = None,
        kernel: str = "auto",
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._plan, self._folder, self._kernel, self._clock = plan, folder, kernel, clock
        self._engine = engine or LocalEngine()
        folder.mkdir(parents=True, exist_ok=True)
        self._scans: dict[str, CT] = {}
        self._subjects: dict[str, Subject] = {}
        self._seen: dict[str, list[float]] = {}
        for table in plan.tables:
            for source in (*table.train, table.test):
                if source.name not in self._scans:
                    self._read(source)
        for table in plan.tables:
            subject = self._subjects.get(table.test.name)
            if subject is not None and table.cases > len(subject.frames):
                raise InputError(
                    f"{table.title}: {table.cases} cases are wanted, and {subject.name} has {len(subject.frames)} "
                    "frames: give as many or fewer."
                )
        self._runs = [run for table in plan.tables for run in self._runs_of(table)]
        self._orders = {run.order.name: run.order for run in self._runs if run.order is not None}
        self._journals = {run.name: Journal(self._cases(run), self._settings(run)) for run in self._runs}
        self._pace = _Pace(self._clock)

    def __iter__(self) -> Generator[StudyStep, None, None]:
        lock = _locked(self._folder)
        try:
            yield from self._train()
            for run in self._runs:
                yield from self._register(run)
            for run in self._runs:
                if run.seed == self._plan.seeds[0]:
                    yield from self._measure(run)
                    yield from self._follow(run)
        finally:
            if lock is not None:
                lock.release()

    def result(self) -> StudyResult:
        """The tables.

        Raises:
            InputError: before the last step.
        """
        missing = [run.name for run in self._runs if self._missing(run)]
        if missing:
            raise InputError(f"The study is not finished, {missing[0]} for one is not: iterate it to its end first.")
        plan = self._plan
        made = {
            "plan": plan.name,
            "each training": f"{plan.budget.words}, {plan.budget.pixels} pixels (regressors), "
            f"{plan.budget.network_pixels} (similarities)",
            "training seeds": ", ".join(map(str, plan.seeds)),
            "seed of the cases": str(plan.case_seed),
            "engine": self._engine.words,
            **versions(),
        }
        return StudyResult(plan.name, tuple(self._table(table) for table in plan.tables), made)

    # what there is to do

    def _read(self, source: Source) -> None:
        if source.subject:
            subject = open_dataset(source.ct, source.kind, source.half_voxel).subject(source.subject)
            scan = subject.ct()
            if subject.frames:
                self._subjects[source.name] = subject
        else:
            scan = read_ct(source.ct, downsample=source.downsample)
        self._scans[source.name] = scan
        self._seen[source.name] = [round(value, 6) for value in fingerprint(to_volume(scan)).density]

    def _runs_of(self, table: TablePlan) -> Iterable[_Run]:
        for row in table.rows:
            for stage in SYSTEMS[row.system].stages:
                # in a case it would be a failure of the method
                check_library(stage.optimizer)
            if not row.recipe:
                yield _Run(table, row, self._plan.seeds[0], None)
                continue
            for seed in self._plan.seeds:
                budget, cts = self._plan.budget, tuple(source.name for source in table.train)
                plan = self._seen_usually(table, plan_of(row.recipe, budget, seed))
                seen = [self._seen[name] for name in cts]
                name = order_name(row.recipe, plan, cts, seen, budget.minutes, seed)
                folder = self._folder / "trainings" / name
                yield _Run(table, row, seed, TrainingOrder(name, cts, plan, budget.minutes, folder))

    def _seen_usually(self, table: TablePlan, plan: Plan) -> Plan:
        """One patient's networks learn from the X-ray system and the side that the frames were taken with and from."""
        subject = self._subjects.get(table.test.name)
        if subject is None or table.kind != "specific":
            return plan
        usual = usual_view(subject, subject.volume(self._scans[table.test.name], bones=True).center)
        turn = tuple(round(value, 9) for value in usual.orientation.flatten().tolist())
        return replace(plan, sdd=usual.sdd, sad=usual.sad, detector_mm=usual.detector_mm, orientation=turn)

    def _settings(self, run: _Run) -> dict[str, Any]:
        """All that cases of a run depend on."""
        table = run.table
        seen = json.dumps(self._seen[table.test.name]).encode()
        return {
            "system": as_plain(self._system(run)),
            "model": None if run.order is None else run.order.name,
            "ct": hashlib.sha256(seen).hexdigest()[:16],
            "downsample": table.test.downsample,
            "frames": [table.test.subject, table.test.half_voxel] if table.test.name in self._subjects else None,
            "suite": asdict(suite_named(table.suite)),
            "level": table.level,
            "views": table.views,
            "seed": self._plan.case_seed,
        }

    def _system(self, run: _Run) -> Any:
        return SYSTEMS[run.row.system].searching(suite_named(run.table.suite).search)

    def _model_file(self, order: TrainingOrder) -> Path:
        return self._folder / "models" / f"{order.name}.safetensors"

    def _cases(self, run: _Run) -> Path:
        return self._folder / "cases" / f"{self._name(run)}.jsonl"

    def _name(self, run: _Run) -> str:
        """Of a run's files: a row whose method has changed since begins anew, beside what it was."""
        told = json.dumps(self._settings(run), sort_keys=True).encode()
        return f"{run.name}-{hashlib.sha256(told).hexdigest()[:6]}"

    def _missing(self, run: _Run) -> list[int]:
        return [index for index in range(run.table.cases) if index not in self._journals[run.name].rows]

    def _untrained(self) -> list[TrainingOrder]:
        return [
            order
            for order in self._orders.values()
            if not (self._model_file(order).exists() and self._model_file(order).with_suffix(".json").exists())
        ]

    # doing it

    def _train(self) -> Generator[StudyStep, None, None]:
        left = self._untrained()
        self._pace.begin()
        with closing(self._engine.run(train, self._scans, left)) as results:
            for number, trained in results:
                path = self._model_file(left[number])
                path.parent.mkdir(parents=True, exist_ok=True)
                write_whole(path, trained.content)
                write_whole(path.with_suffix(".json"), json.dumps(trained.figures))
                self._pace.tell("training")
                yield self._step(f"trained {left[number].name}")

    def _register(self, run: _Run) -> Generator[StudyStep, None, None]:
        missing = self._missing(run)
        if not missing:
            return
        journal, shared = self._journals[run.name], RowBench(self._bench(run), run.name)
        self._pace.begin()
        with closing(self._engine.run(register_case, shared, missing)) as results:
            for _, row in results:
                # the row that tables show is the study's, whatever its system is called
                journal.add(replace(row, system=run.row.name))
                self._pace.tell(run.row.name)
                yield self._step(f"{run.row.title}, case {row.index + 1}: {row.mtre_mm:.2f} mm")

    def _measure(self, run: _Run) -> Generator[StudyStep, None, None]:
        path = self._bars_file(run)
        if path.exists():
            return
        bench, count = self._bench(run), self._plan.sanity_cases
        aside = replace(bench, seed=bench.seed + _ASIDE)
        drift: list[float | None] = []
        if isinstance(bench.systems[0].initializer, Known) and bench.suite.start is not None:
            truth = RowBench(from_truth(bench, aside.seed), f"{run.name}-drift", measures_time=False)
            with closing(self._engine.run(register_case, truth, range(count))) as results:
                drift = [row.mtre_mm for _, row in results]
        with closing(self._engine.run(gradient_angle, RowBench(aside, run.name), range(count))) as results:
            angles = [angle for _, angle in results]
        told = {"angle_deg": median_or_none(angles), "drift_mm": median_or_none(drift), "cases": count}
        write_whole(path, json.dumps(told))
        yield self._step(f"{run.row.title}: bars measured")

    def _follow(self, run: _Run) -> Generator[StudyStep, None, None]:
        path, cases = self._curves_file(run), min(self._plan.figure_cases, run.table.cases)
        if cases == 0 or path.exists():
            return
        shared = RowBench(self._bench(run), run.name)
        items = [(index, self._plan.figure_steps) for index in range(cases)]
        with closing(self._engine.run(case_curves, shared, items)) as results:
            found = dict(results)
        write_whole(path, json.dumps([asdict(found[index]) for index in range(cases)]))
        yield self._step(f"{run.row.title}: curves of {cases} cases")

    def _curves_file(self, run: _Run) -> Path:
        folder = self._folder / "curves"
        folder.mkdir(exist_ok=True)
        return folder / f"{self._name(run)}-{self._plan.figure_cases}x{self._plan.figure_steps}.json"

    def _bars_file(self, run: _Run) -> Path:
        folder = self._folder / "bars"
        folder.mkdir(exist_ok=True)
        return folder / f"{self._name(run)}-{self._plan.sanity_cases}.json"

    def _bench(self, run: _Run) -> StudyBench:
        table = run.table
        model = None if run.order is None else load_model(self._model_file(run.order))
        study = CaptureStudy(
            self._scans[table.test.name],
            [self._system(run)],
            table.cases,
            self._plan.case_seed,
            suite=suite_named(table.suite),
            level=level_named(table.level),
            views=VIEW_SETS[table.views],
            model=model,
        )
        bench = replace(study.bench, conditions=replace(study.bench.conditions, kernel=self._kernel))
        subject = self._subjects.get(table.test.name)
        return study_bench(bench) if subject is None else frame_bench(bench, subject)

    def _step(self, words: str) -> StudyStep:
        cases = {run.name: len(self._missing(run)) for run in self._runs}
        total = len(self._orders) + sum(run.table.cases for run in self._runs)
        left = len(self._untrained()) + sum(cases.values())
        minutes = self._plan.budget.minutes
        waiting = {"training": len(self._untrained())}
        for run in self._runs:
            waiting[run.row.name] = waiting.get(run.row.name, 0) + cases[run.name]
        usual = {"training": 60 * minutes} if minutes else {}
        return StudyStep(words, 1 - left / max(1, total), self._pace.left(waiting, usual))

    # what came of it

    def _table(self, table: TablePlan) -> TableResult:
        train_on = ", ".join(source.name for source in table.train)
        subject = self._subjects.get(table.test.name)
        images = (
            f"{table.cases} simulated X-rays ({table.level}, views {table.views}) of {table.test.name}"
            if subject is None
            else f"{table.cases} X-rays of {subject.name}, errors at {len(subject.points)} points"
        )
        data = f"trained on {train_on}; {images}, suite {table.suite}"
        rows = tuple(self._row(table, row) for row in table.rows)
        starts = [row.start_mtre_mm for row in rows[-1].reports[0].rows]
        quartiles = " / ".join(f"{percentile(starts, q):.0f}" for q in (25, 50, 75))
        points = "up to 2000 points of bone" if subject is None else "the data set's points"
        notes = [f"mTRE at {points}. The last row's starts: {quartiles} mm (quartiles)."]
        if subject is not None:
            if table.kind == "specific":
                notes.append("Choice: networks learn around the mean direction of the frames' true poses.")
            found = {row.title: offset_of(row.reports[0].rows) for row in rows}
            notes += [f"{title}: {offset.words}." for title, offset in found.items() if offset is not None]
        if table.kind == "agnostic":
            notes.append(
                f"Patients that networks learned from: {len(table.train)}; one held-out patient is no average."
            )
        return TableResult(table.title, data, rows, (*notes, *MISSING[table.kind]))

    def _row(self, table: TablePlan, row: StudyRow) -> RowResult:
        runs = [run for run in self._runs if run.table is table and run.row is row]
        reports = tuple(CaptureReport(self._journals[run.name].first(table.cases)) for run in runs)
        trained = tuple(
            figures_from(self._model_file(run.order).with_suffix(".json")) for run in runs if run.order is not None
        )
        told = read_json_file(self._bars_file(runs[0]))
        moves = bool(SYSTEMS[row.system].stages)
        bars = Bars(
            trained[0].losses if trained else {},
            told["angle_deg"],
            told["drift_mm"],
            improved_share(reports[0].rows) if moves else None,
        )
        curves: tuple[CaseCurves, ...] = ()
        if self._plan.figure_cases:
            curves = tuple(CaseCurves(**one) for one in read_json_file(self._curves_file(runs[0])))
        alone = bool(row.recipe) and not moves
        return RowResult(
            row.name, row.title, row.reference, row.notes, row.published, reports, trained, bars, curves, alone
        )


class _Pace:
    """Seconds that pieces of work take, by kind."""

    def __init__(self, clock: Callable[[], float]) -> None:
        self._clock, self._at = clock, clock()
        self._spent: dict[str, list[float]] = {}

    def begin(self) -> None:
        """Time runs from here."""
        self._at = self._clock()

    def tell(self, kind: str) -> None:
        """A piece was done."""
        now = self._clock()
        self._spent.setdefault(kind, []).append(now - self._at)
        self._at = now

    def left(self, waiting: dict[str, int], usual: dict[str, float]) -> float | None:
        """Seconds for what is waiting; kinds that were never timed count as the mean of the others."""
        means = {kind: sum(spent) / len(spent) for kind, spent in self._spent.items()}
        cases = [mean for kind, mean in means.items() if kind != "training"]
        total = 0.0
        for kind, count in waiting.items():
            mean = means.get(kind, usual.get(kind, sum(cases) / len(cases) if cases and kind != "training" else None))
            if mean is None and count:
                return None
            total += count * (mean or 0.0)
        return total


def _locked(folder: Path) -> FileLock | None:
    try:
        lock = FileLock.take(folder / ".lock")
    except NoLocksError:
        # a file system without locks: nobody can be kept out
        return None
    except OSError as error:
        raise InputError(f"The folder {folder} cannot be used ({error}): name another.") from error
    if lock is None:
        raise InputError(f"Another process runs a study in {folder}: wait for it, or name another folder.")
    return lock


def pieces(plan: StudyPlan) -> Sequence[str]:
    """In words, what a plan will do."""
    told = []
    for table in plan.tables:
        trained = sum(bool(row.recipe) for row in table.rows)
        told.append(f"{table.title}: {len(table.rows)} rows ({trained} trained), {table.cases} cases each")
    return told
