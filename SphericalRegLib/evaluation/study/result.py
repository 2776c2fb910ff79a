"""What a study found: tables of rows, as reports take them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from SphericalRegLib.evaluation.capture_report import CaptureReport
from SphericalRegLib.evaluation.study.bars import Bars
from SphericalRegLib.evaluation.study.curves import CaseCurves


@dataclass(frozen=True)
class TrainedFigures:
    """Of one model.

    Attributes:
        minutes: of processor time, all phases.
        steps: {phase: steps}.
        weights: that were trained and are used.
        losses: {phase: (mean of the first steps, of the last)}.
        curves: {phase: (steps, losses)}, thinned for pictures.
        pixels: {part: pixels along each side of its images}.
    """

    minutes: float
    steps: Mapping[str, int]
    weights: int
    losses: Mapping[str, tuple[float, float]]
    curves: Mapping[str, tuple[list[float], list[float]]] = field(default_factory=dict)
    pixels: Mapping[str, int] = field(default_factory=dict)


@dataclass(frozen=True)
class RowResult:
    """One row of a table.

    Attributes:
        name, title, reference, notes, published: as the table of rows has them.
        reports: one for each training seed, of the same cases; of a row without training one alone.
        trained: of each seed; empty without training.
        bars: of the first seed.
        curves: of the first seed, case by case; empty where none were asked for.
        alone: whether a network alone gives the pose, and nothing is aligned.
    """

    name: str
    title: str
    reference: str
    notes: tuple[str, ...]
    published: Mapping[str, str]
    reports: tuple[CaptureReport, ...]
    trained: tuple[TrainedFigures, ...]
    bars: Bars
    curves: tuple[CaseCurves, ...] = ()
    alone: bool = False


@dataclass(frozen=True)
class TableResult:
    """One table.

    Attributes:
        title: above it.
        data: in words: trained on, tested on, cases, suite, level.
        rows: in their order.
        notes: what goes for all of them.
    """

    title: str
    data: str
    rows: tuple[RowResult, ...]
    notes: tuple[str, ...]


@dataclass(frozen=True)
class StudyResult:
    """All of it.

    Attributes:
        name: of the plan.
        tables: in their order.
        made: {what: its words}: budget, seeds, engine, machine, versions.
    """

    name: str
    tables: tuple[TableResult, ...]
    made: Mapping[str, str]
