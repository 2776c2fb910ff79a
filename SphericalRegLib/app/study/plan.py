"""What a study is to do, out of a YAML file: data, tables, rows, seeds, budget."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, fields
from pathlib import Path
from typing import Any

import yaml

from SphericalRegLib.app.study.recipes import Budget
from SphericalRegLib.app.study.rows import Kind, StudyRow, row_named
from SphericalRegLib.errors import InputError
from SphericalRegLib.evaluation.suites import VIEW_SETS, suite_named
from SphericalRegLib.sample import sample_path
from SphericalRegLib.simulation.levels import level_named
from SphericalRegLib.text_files import read_text

_SHIPPED = Path(__file__).parent / "plans"
_SAMPLE = "sample:"
_OPTIONAL = {"seeds", "budget", "case_seed", "sanity_cases", "figure_cases", "figure_steps"}


@dataclass(frozen=True)
class Source:
    """A CT that is trained or tested on.

    Attributes:
        name: within the plan.
        ct: its file, or that of the data set.
        downsample: averaged over so many voxels along each axis.
        subject: of the data set; empty: ``ct`` is a CT.
        kind: of the data set.
        half_voxel: of DeepFluoro.
    """

    name: str
    ct: Path
    downsample: int = 1
    subject: str = ""
    kind: str = "auto"
    half_voxel: bool = False


@dataclass(frozen=True)
class TablePlan:
    """One table.

    Attributes:
        title: above it.
        kind: of its rows.
        train: sources that networks learn from.
        test: source of the cases.
        suite: how far truths and starts lie.
        level, views: of the X-rays.
        cases: how many.
        rows: in their order.
    """

    title: str
    kind: Kind
    train: tuple[Source, ...]
    test: Source
    suite: str
    level: str
    views: str
    cases: int
    rows: tuple[StudyRow, ...]


@dataclass(frozen=True)
class StudyPlan:
    """All of it.

    Attributes:
        name: of the study.
        tables: in their order.
        seeds: of trainings: each gives every trained row a model.
        budget: of each training.
        case_seed: of the cases, the same for all rows.
        sanity_cases: further cases, of which the bars are measured.
        figure_cases: of each table, whose ways and landscapes Figures 3 and 4 show; 0: no such figures.
        figure_steps: values along each axis of a landscape.
    """

    name: str
    tables: tuple[TablePlan, ...]
    seeds: tuple[int, ...] = (0,)
    budget: Budget = field(default_factory=Budget)
    case_seed: int = 4242
    sanity_cases: int = 4
    figure_cases: int = 0
    figure_steps: int = 15


def shipped_plans() -> list[str]:
    """Names of the plans that come with the project."""
    return sorted(path.stem for path in _SHIPPED.glob("*.yaml"))


def read_plan(name: str, data: str | None = None) -> StudyPlan:
    """A plan by the name of a shipped one, or from a file.

    Args:
        name: of either.
        data: the folder in which its CTs lie; by default that of the file.

    Raises:
        InputError: for a plan that there is not, or that cannot be; the message says what is wrong where.
    """
    path = Path(name)
    if name in shipped_plans():
        path = _SHIPPED / f"{name}.yaml"
    elif not path.is_file():
        raise InputError(f"There is no plan {name!r}: name a file, or one of {', '.join(shipped_plans())}.")
    try:
        content = yaml.safe_load(read_text(path))
    except yaml.YAMLError as error:
        raise InputError(f"{path} is no YAML ({str(error)[:200]}).") from None
    folder = Path(data) if data is not None else path.parent
    return plan_from(content, str(path), path.stem, folder)


def plan_from(content: Any, where: str, name: str, folder: Path) -> StudyPlan:
    """A plan from what its file holds.

    Raises:
        InputError: see :func:`read_plan`.
    """
    top = _table(content, where, {"data", "tables"}, _OPTIONAL)
    sources = {}
    for key, one in _mapping(top["data"], f"{where}, data").items():
        sources[key] = _source(key, one, f"{where}, data, {key}", folder)
    tables = top["tables"]
    if not isinstance(tables, list) or not tables:
        raise InputError(f"{where}: tables must be a list of one or more.")
    seeds = top.get("seeds", [0])
    if not isinstance(seeds, list) or not seeds or not all(type(one) is int and one >= 0 for one in seeds):
        raise InputError(f"{where}: seeds is {seeds!r}: give a list of whole numbers, 0 or more.")
    return StudyPlan(
        name,
        tuple(_table_plan(one, f"{where}, table {n + 1}", sources) for n, one in enumerate(tables)),
        tuple(seeds),
        _budget(top.get("budget", {}), f"{where}, budget"),
        _whole(top.get("case_seed", 4242), f"{where}, case_seed", 0),
        _whole(top.get("sanity_cases", 4), f"{where}, sanity_cases", 1),
        _whole(top.get("figure_cases", 0), f"{where}, figure_cases", 0),
        _whole(top.get("figure_steps", 15), f"{where}, figure_steps", 3),
    )


def _source(name: str, content: Any, where: str, folder: Path) -> Source:
    if isinstance(content, dict) and "dataset" in content:
        return _from_dataset(name, content, where, folder)
    told = _table(content, where, {"ct"}, {"downsample"})
    text = str(told["ct"])
    path = sample_path(text.removeprefix(_SAMPLE)) if text.startswith(_SAMPLE) else folder / text
    if not path.exists():
        raise InputError(f"{where}: there is no CT {path}. Name the folder of the CTs with --data.")
    return Source(name, path, _whole(told.get("downsample", 1), f"{where}, downsample", 1))


def _from_dataset(name: str, content: Any, where: str, folder: Path) -> Source:
    told = _table(content, where, {"dataset", "subject"}, {"kind", "half_voxel"})
    path = folder / str(told["dataset"])
    if not path.exists():
        raise InputError(f"{where}: there is no data set {path}. Name the folder of the data with --data.")
    half_voxel = told.get("half_voxel", False)
    if not isinstance(half_voxel, bool):
        raise InputError(f"{where}: half_voxel is {half_voxel!r}: give true or false.")
    return Source(name, path, 1, str(told["subject"]), str(told.get("kind", "auto")), half_voxel)


def _table_plan(content: Any, where: str, sources: Mapping[str, Source]) -> TablePlan:
    needed = {"title", "kind", "test", "suite", "cases", "rows"}
    told = _table(content, where, needed, {"train", "level", "views"})
    kind = told["kind"]
    if kind not in ("specific", "agnostic"):
        raise InputError(f"{where}: kind is {kind!r}: choose specific or agnostic.")
    names = told.get("train", [told["test"]])
    for name in (*names, told["test"]):
        if name not in sources:
            raise InputError(f"{where}: there is no data {name!r}: it has {', '.join(sources)}.")
    if kind == "agnostic" and told["test"] in names:
        raise InputError(f"{where}: the networks of other patients would learn from {told['test']!r}, the test itself.")
    if kind == "specific" and list(names) != [told["test"]]:
        raise InputError(f"{where}: one patient's networks learn from that patient: leave train out.")
    suite, level, views = told["suite"], told.get("level", "mild"), told.get("views", "ap")
    suite_named(suite)
    level_named(level)
    if views not in VIEW_SETS:
        raise InputError(f"{where}: views is {views!r}: choose from {', '.join(VIEW_SETS)}.")
    rows = tuple(row_named(str(name), kind) for name in told["rows"])
    if not rows or len({row.name for row in rows}) < len(rows):
        raise InputError(f"{where}: rows is {told['rows']!r}: name one or more, each once.")
    return TablePlan(
        str(told["title"]),
        kind,
        tuple(sources[name] for name in names),
        sources[told["test"]],
        suite,
        level,
        views,
        _whole(told["cases"], f"{where}, cases", 1),
        rows,
    )


def _budget(content: Any, where: str) -> Budget:
    told = _table(content, where, set(), {one.name for one in fields(Budget)})
    for key, value in told.items():
        kinds = (int, float) if key == "minutes" else (int,)
        if isinstance(value, bool) or not isinstance(value, kinds) or value < 0:
            raise InputError(f"{where}: {key} is {value!r}: give a number of 0 or more.")
    return Budget(**told)


def _table(content: Any, where: str, needed: set[str], others: set[str]) -> dict[str, Any]:
    told = _mapping(content, where)
    if missing := sorted(needed - set(told)):
        raise InputError(f"{where} lacks {', '.join(missing)}.")
    if unknown := sorted(set(told) - needed - others):
        raise InputError(f"{where} has no {', '.join(unknown)}: its parts are {', '.join(sorted(needed | others))}.")
    return told


def _mapping(content: Any, where: str) -> dict[str, Any]:
    if not isinstance(content, dict):
        raise InputError(f"{where} must have named parts, and is {str(content)[:60]!r}.")
    return {str(key): value for key, value in content.items()}


def _whole(value: Any, where: str, least: int) -> int:
    if isinstance(value, bool) or not isinstance(value, int) or value < least:
        raise InputError(f"{where} is {value!r}: give a whole number of {least} or more.")
    return value
