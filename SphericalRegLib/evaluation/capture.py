"""The studies: how often and how exactly registration finds the pose, and whether it knows."""

from __future__ import annotations

from collections.abc import Callable, Generator, Sequence
from contextlib import closing

import torch
from typing_extensions import TypedDict, Unpack

from SphericalRegLib.errors import CheckpointError, InputError
from SphericalRegLib.evaluation.bench import Bench, Target
from SphericalRegLib.evaluation.capture_report import CaptureReport, CaptureRow
from SphericalRegLib.evaluation.cases import bone_points, capture_view
from SphericalRegLib.evaluation.suites import SUITES, Suite
from SphericalRegLib.evaluation.workers import spread
from SphericalRegLib.imaging.ct import CT
from SphericalRegLib.imaging.volume import to_volume
from SphericalRegLib.networks.model import Model
from SphericalRegLib.registration import Conditions, System, default_system
from SphericalRegLib.simulation.levels import LEVELS, Level
from SphericalRegLib.threads import get_threads, set_threads


class StudyOptions(TypedDict, total=False):
    """What a study may be told beside its systems and cases.

    Attributes:
        suite: the study; see :data:`~SphericalRegLib.evaluation.suites.SUITES`. By default capture.
        level: how hard the X-rays are; see :data:`~SphericalRegLib.simulation.levels.LEVELS`. By default mild.
        views: names of :data:`~SphericalRegLib.evaluation.suites.VIEWS` that truths lie around, in turn. By default AP.
        model: a trained one to register with.
        conditions: kernel and seed of the registrations.
        labels: register only these bones, in X-rays of the whole CT; errors are then measured on them.
        parts: whether half of the cases are registered by a part of the CT (without an end or a side; a hip;
            vertebrae), to an X-ray of all of it; not with labels, nor with a model, which knows one CT. By default
            False.
        workers: processes. More than one share the cores, and each case then takes longer: not for reported times.
        device: where to render and compare; by default the CPU.
    """

    suite: Suite
    level: Level
    views: Sequence[str]
    model: Model | None
    conditions: Conditions | None
    labels: Sequence[int | str] | None
    parts: bool
    workers: int
    device: torch.device | str


def evaluate_capture(
    ct: CT,
    cases: int = 100,
    seed: int = 0,
    *,
    system: System | None = None,
    progress: Callable[[CaptureRow], None] | None = None,
    **options: Unpack[StudyOptions],
) -> CaptureReport:
    """Register simulated X-rays of a CT by one system, and compare with the truth; see :class:`CaptureStudy`.

    Args:
        system: by default the one that runs where nobody chooses, searching as far as the suite's starts are off.
        progress: called with each row, in order.

    Raises:
        InputError: for fewer than one case or worker, unknown labels, or a CT without bone.
        CheckpointError: for a model of another CT, or a system that needs a model.
    """
    suite = options.get("suite", SUITES["capture"])
    chosen = system or default_system(options.get("labels") is not None, options.get("model") is not None).searching(
        suite.search
    )
    return compare_systems(ct, [chosen], cases, seed, progress=progress, **options)[chosen.name]


def compare_systems(
    ct: CT,
    systems: Sequence[System],
    cases: int = 100,
    seed: int = 0,
    *,
    progress: Callable[[CaptureRow], None] | None = None,
    **options: Unpack[StudyOptions],
) -> dict[str, CaptureReport]:
    """Run a :class:`CaptureStudy` to its end.

    Args:
        progress: called with each row, in order.

    Returns:
        {name of the system: its report}.
    """
    study = CaptureStudy(ct, systems, cases, seed, **options)
    for row in study:
        if progress is not None:
            progress(row)
    return study.reports()


class CaptureStudy:
    """Registers simulated X-rays of a CT by one or several systems in turn, and compares with the truth.

    Iterate it to run it: it yields a row for each case and system, in order; stop whenever you like. After the last one
    ask for the :meth:`reports`.

    Truths lie around the views, and starts around the truth, as the suite says; by default truths ±20° about each
    axis, ±50 mm in plane and ±60 mm in depth, starts ±20° about each axis, ±40 mm in plane and ±80 mm in depth off the
    truth. The X-rays (256², 1.4 mm, 1000 mm from the source) come from the simulator with all degradations drawn at
    random, every second one with an occluder, and are read from DICOM files. Systems that start from landmarks get
    marks with errors (:func:`~SphericalRegLib.evaluation.cases.marked_landmarks`). Time is that of the registration
    from a read X-ray and a prepared volume to the result, with kernels compiled; simulation and reading are left out.
    Each case is run by all systems before the next one, so that their times are of the same minutes.

    Args:
        ct: the CT, with labels where labels are chosen.
        systems: by which to register, with names that differ.
        cases: how many. Case i of a seed is always the same, whatever their number.
        seed: of the study.
        options: see :class:`StudyOptions`.

    Raises:
        InputError: for fewer than one case, worker or system, systems of one name, unknown labels, a CT without bone,
            or parts beside labels or a model.
        CheckpointError: for a system that needs a model; while it runs, for a model of another CT.
    """

    def __init__(
        self, ct: CT, systems: Sequence[System], cases: int = 100, seed: int = 0, **options: Unpack[StudyOptions]
    ) -> None:
        workers, labels, model = options.get("workers", 1), options.get("labels"), options.get("model")
        if cases < 1 or workers < 1:
            raise InputError(f"cases={cases} and workers={workers} must both be 1 or more.")
        names = [system.name for system in systems]
        if not names or len(set(names)) < len(names):
            raise InputError(f"Systems to compare need names that differ, and are {', '.join(names) or 'none'}.")
        for system in systems:
            if system.needs_model and model is None:
                raise CheckpointError(f"The system {system.name!r} needs a trained model: name one with --model.")
        parts = options.get("parts", False)
        if parts and (labels is not None or model is not None):
            raise InputError("Parts of a CT are registered without chosen bones and without a model: leave parts out.")
        device = options.get("device", "cpu")
        # moves where the model lies: workers load it on the same device
        model = None if model is None else model.to(device)
        self.bench = Bench(
            ct=ct,
            target=Target(ct, to_volume(ct, labels=labels).to(device), bone_points(ct, labels)),
            whole=to_volume(ct).to(device) if labels is not None and model is not None else None,
            parts=parts,
            view=capture_view(),
            seed=seed,
            suite=options.get("suite", SUITES["capture"]),
            level=options.get("level", LEVELS["mild"]),
            views=tuple(options.get("views", ("AP",))),
            systems=tuple(systems),
            conditions=options.get("conditions") or Conditions(),
            model=model,
        )
        self._cases, self._workers = cases, min(workers, cases)
        self._rows: dict[str, list[CaptureRow]] = {}

    def __len__(self) -> int:
        """Rows: cases times systems."""
        return self._cases * self.systems_count

    @property
    def systems_count(self) -> int:
        """How many systems register each case."""
        return len(self.bench.systems)

    def __iter__(self) -> Generator[CaptureRow, None, None]:
        """Run it from the first case on; workers end with the iterator."""
        bench = self.bench
        self._rows = {system.name: [] for system in bench.systems}
        cases = _alone(bench, self._cases) if self._workers == 1 else _together(bench, self._cases, self._workers)
        with closing(cases):
            for row_of_each in cases:
                for row in row_of_each:
                    self._rows[row.system].append(row)
                    yield row

    def reports(self) -> dict[str, CaptureReport]:
        """{name of the system: its report}.

        Raises:
            InputError: before the last row.
        """
        if sum(map(len, self._rows.values())) < len(self):
            raise InputError("The study is not finished: iterate it to its end first.")
        return {name: CaptureReport(tuple(rows)) for name, rows in self._rows.items()}


def _alone(bench: Bench, cases: int) -> Generator[tuple[CaptureRow, ...], None, None]:
    bench.warm_up()
    for index in range(cases):
        yield bench.rows(index)


def _together(bench: Bench, cases: int, workers: int) -> Generator[tuple[CaptureRow, ...], None, None]:
    threads = max(1, get_threads() // workers)
    return spread(_worker_rows, cases, workers, _start_worker, (bench, threads))


_shared: list[Bench] = []


def _start_worker(bench: Bench, threads: int) -> None:
    set_threads(threads)
    bench.warm_up()
    _shared.append(bench)


def _worker_rows(index: int) -> tuple[CaptureRow, ...]:
    return _shared[0].rows(index)
