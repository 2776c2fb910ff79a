"""Table and plot nodes: landmark errors with their means, and cost by iteration."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence

import vtk

from SphericalRegLib.errors import InputError
from SphericalRegLib.registration.result import Progress
from SphericalRegLib.reporting.landmark_errors import MEASURES, LandmarkError, means
from SphericalRegLib.scene import nodes
from SphericalRegLib.scene.nodes import Node, Scene

# Table files keep six digits: with no more in the node, a scene is the same after loading.
_DIGITS = 6

_COLORS = ((0.12, 0.38, 0.66), (0.85, 0.45, 0.1), (0.2, 0.6, 0.3), (0.6, 0.25, 0.6), (0.5, 0.5, 0.5))

# Length of the iteration axis over the number of iterations.
_LEGEND_ROOM = 1.5

Column = Sequence[float] | Sequence[int] | Sequence[str]


def add_table(
    scene: Scene, name: str, columns: Mapping[str, Column], units: Mapping[str, str], meanings: Mapping[str, str]
) -> Node:
    """A new table node.

    Args:
        scene: to add it to.
        name: made unique.
        columns: by their headings, all of one length: numbers (kept to six digits) or texts.
        units: by heading.
        meanings: one sentence each, by heading.
    """
    node = scene.AddNewNodeByClass("vtkMRMLTableNode", nodes.unique_name(scene, name))
    for heading, values in columns.items():
        node.AddColumn(_array(heading, values))
        if heading in units:
            node.SetColumnUnitLabel(heading, units[heading])
        if heading in meanings:
            node.SetColumnDescription(heading, meanings[heading])
    node.SetUseColumnTitleAsColumnHeader(True)
    node.SetLocked(True)
    return node


def set_columns(node: Node, columns: Mapping[str, Column]) -> None:
    """Replace the values of a table node's columns by others of the same headings, whatever their number."""
    modified = node.StartModify()
    headings = [node.GetColumnName(n) for n in range(node.GetNumberOfColumns())]
    for heading, values in columns.items():
        array = _array(heading, values)
        if heading in headings:
            node.GetTable().GetColumnByName(heading).DeepCopy(array)
        else:
            node.AddColumn(array)
    node.GetTable().Modified()
    node.EndModify(modified)


def add_error_table(scene: Scene, name: str, rows: Sequence[LandmarkError], view_names: Sequence[str]) -> Node:
    """A table of landmark errors with their means in the first row; columns of which nothing is known are left out.

    Made to be read, so numbers are texts of two decimals, empty where they are not known: a column of numbers would
    show six digits and "nan". Every digit is in the result's record.
    """
    known = means(rows)
    columns: dict[str, Column] = {
        "Landmark": ["Mean", *(row.name for row in rows)],
        "X-ray": ["", *(view_names[row.view] for row in rows)],
    }
    units, meanings = {}, {}
    for measure, (title, mean_title) in MEASURES.items():
        if measure in known:
            columns[title] = [_told(value) for value in (known[measure], *(getattr(row, measure) for row in rows))]
            units[title] = "mm"
            meanings[title] = f"Its mean is the {mean_title}"
    places = {"": ("of the projected landmark", [row.projected for row in rows])}
    if any(not math.isnan(row.marked[0]) for row in rows):
        places["marked "] = ("where it was marked in the X-ray", [row.marked for row in rows])
    for prefix, (meaning, pixels) in places.items():
        for axis, (letter, what) in enumerate((("u", "Column"), ("v", "Row"))):
            heading = prefix + letter
            columns[heading] = ["", *(_told(pixel[axis]) for pixel in pixels)]
            units[heading] = "px"
            meanings[heading] = f"{what} {meaning}"
    return add_table(scene, name, columns, units, meanings)


def add_cost_table(scene: Scene, name: str, history: Sequence[Progress]) -> Node:
    """Cost by iteration. Each stage has a column of its own: their similarities differ, so costs do not compare."""
    stages = list(dict.fromkeys(step.stage for step in history))
    columns: dict[str, Column] = {
        "Iteration": [float(n) for n in range(len(history))],
        "Stage": [step.stage for step in history],
        "Seconds": [step.seconds for step in history],
        "Damping": [step.damping for step in history],
    }
    for stage in stages:
        columns[_cost_heading(stage)] = [step.cost if step.stage == stage else math.nan for step in history]
    meanings = {_cost_heading(stage): "Share of unexplained structure at this stage: 0 is perfect" for stage in stages}
    return add_table(scene, name, columns, {"Seconds": "s"}, meanings)


def costs_of(table: Node) -> list[tuple[str, float]]:
    """Of every iteration its stage and cost.

    Raises:
        InputError: for another table.
    """
    stages = column_of(table, "Stage")
    if stages is None:
        raise InputError(f"The table '{table.GetName()}' does not hold the costs of a registration: register again.")
    columns = {stage: column_of(table, _cost_heading(str(stage))) for stage in set(stages)}
    costs = []
    for row, stage in enumerate(stages):
        column = columns[stage]
        if column is None:
            raise InputError(f"The table '{table.GetName()}' has lost the costs of stage {stage}: register again.")
        costs.append((str(stage), float(column[row])))
    return costs


def add_cost_chart(scene: Scene, name: str, table: Node) -> Node:
    """A plot of a cost table: one series for each stage, costs on a logarithmic axis."""
    chart = scene.AddNewNodeByClass("vtkMRMLPlotChartNode", nodes.unique_name(scene, name))
    headings = [table.GetColumnName(n) for n in range(table.GetNumberOfColumns())]
    for index, heading in enumerate(h for h in headings if h.startswith("Cost, ")):
        series = scene.AddNewNodeByClass("vtkMRMLPlotSeriesNode", heading.removeprefix("Cost, "))
        series.SetAndObserveTableNodeID(table.GetID())
        series.SetXColumnName("Iteration")
        series.SetYColumnName(heading)
        series.SetPlotType(series.PlotTypeScatter)
        series.SetMarkerStyle(series.MarkerStyleCircle)
        series.SetMarkerSize(6)
        series.SetLineWidth(2)
        series.SetColor(*_COLORS[index % len(_COLORS)])
        chart.AddAndObservePlotSeriesNodeID(series.GetID())
    chart.SetTitle("Cost by iteration")
    chart.SetDescription(
        "Share of unexplained structure. Within a stage small is good; jumps between stages mean nothing, for their "
        "similarities differ."
    )
    chart.SetXAxisTitle("Iteration")
    chart.SetYAxisTitle("Cost")
    chart.SetYAxisLogScale(True)
    # the legend stands at the right: room for it beside the curves
    chart.SetLegendFontSize(12)
    chart.SetXAxisRangeAuto(False)
    chart.SetXAxisRange(0.0, _LEGEND_ROOM * max(table.GetNumberOfRows() - 1, 1))
    return chart


def column_of(table: Node, heading: str) -> list[float] | list[str] | None:
    """A table node's column by its heading; None where there is none."""
    array = table.GetTable().GetColumnByName(heading)
    return None if array is None else [array.GetValue(n) for n in range(array.GetNumberOfValues())]


def _cost_heading(stage: str) -> str:
    return f"Cost, {stage} px"


def _told(number: float) -> str:
    return "" if math.isnan(number) else f"{number:.2f}"


def _array(heading: str, values: Column) -> vtk.vtkAbstractArray:
    texts = all(isinstance(value, str) for value in values)
    array = vtk.vtkStringArray() if texts else vtk.vtkDoubleArray()
    array.SetName(heading)
    for value in values:
        array.InsertNextValue(value if isinstance(value, str) else float(f"{value:.{_DIGITS}g}"))
    return array
