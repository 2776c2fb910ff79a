"""Slicer's markups files: coordinate systems, units, status of points, and what is refused."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from SphericalRegLib.errors import InputError
from SphericalRegLib.io.landmarks.markups import is_markups, read_markups

POINT = {"label": "a", "position": [1.0, 2.0, 3.0]}
FCSV = """# Markups fiducial file version = 4.11
# CoordinateSystem = LPS
# columns = id,x,y,z,ow,ox,oy,oz,vis,sel,lock,label,desc,associatedNodeID
1,1,2,3,0,0,0,1,1,1,0,"a ""b"", c",,,2,0
2,-4,5.5,6e1,0,0,0,1,1,1,0, spaced label ,note,vtkMRMLScalarVolumeNode1
3,7,8,9,0,0,0,1,1,1,0,not placed,,,3,0
"""


def written(tmp_path: Path, markup: dict[str, Any] | None = None, whole: dict[str, Any] | None = None) -> Path:
    path = tmp_path / "points.mrk.json"
    path.write_text(json.dumps({"markups": [{"controlPoints": [POINT], **(markup or {})}], **(whole or {})}))
    return path


@pytest.mark.parametrize(
    ("system", "expected"),
    [
        ("RAS", [1, 2, 3]),
        ("LPS", [-1, -2, 3]),
        ("0", [1, 2, 3]),
        ("1", [-1, -2, 3]),
        (0, [1, 2, 3]),
        (1, [-1, -2, 3]),
    ],
)
def test_coordinate_systems_by_newer_and_older_words(tmp_path: Path, system: object, expected: list[float]) -> None:
    assert read_markups(written(tmp_path, {"coordinateSystem": system})) == {"a": expected}


def test_without_a_word_it_is_lps_in_mm_as_the_schema_says(tmp_path: Path) -> None:
    assert read_markups(written(tmp_path)) == {"a": [-1, -2, 3]}


@pytest.mark.parametrize("system", ["2", "IJK", "lps", "", None, True, 1.0, ["LPS"]])
def test_unknown_coordinate_systems_are_refused(tmp_path: Path, system: object) -> None:
    with pytest.raises(InputError, match=r"coordinate system .* is 'RAS' or 'LPS'"):
        read_markups(written(tmp_path, {"coordinateSystem": system}))


@pytest.mark.parametrize(
    ("units", "factor"),
    [("mm", 1), ("um", 1e-3), ("cm", 10), ("m", 1000), (["cm", "UCUM", "centimeter"], 10), ("[in_i]", 25.4)],
)
def test_units_are_brought_to_mm(tmp_path: Path, units: object, factor: float) -> None:
    found = read_markups(written(tmp_path, {"coordinateUnits": units, "coordinateSystem": "RAS"}))
    assert found["a"] == pytest.approx([factor, 2 * factor, 3 * factor])


@pytest.mark.parametrize("units", ["px", "MM", "", None, 1, ["mm"], ["mm", "SNOMED", "millimeter"], {}])
def test_unknown_units_are_refused(tmp_path: Path, units: object) -> None:
    with pytest.raises(InputError, match=r"has the units .* Convert the points to mm"):
        read_markups(written(tmp_path, {"coordinateUnits": units}))


@pytest.mark.parametrize(("key", "value"), [("coordinateSystem", "RAS"), ("coordinateUnits", "cm")])
def test_a_word_for_the_whole_file_must_be_the_markups_too(tmp_path: Path, key: str, value: str) -> None:
    with pytest.raises(InputError, match=f"says {key} '{value}' for the whole file"):
        read_markups(written(tmp_path, whole={key: value}))
    read_markups(written(tmp_path, {key: value}, {key: value}))


def test_only_defined_points_count(tmp_path: Path) -> None:
    points: list[dict[str, Any]] = [{**POINT, "positionStatus": "defined"}]
    # Slicer writes the place of such points as an empty text
    points += [{"label": s, "position": "", "positionStatus": s} for s in ("undefined", "preview", "missing")]
    assert list(read_markups(written(tmp_path, {"controlPoints": points}))) == ["a"]
    with pytest.raises(InputError, match="holds no point that has been placed"):
        read_markups(written(tmp_path, {"controlPoints": points[1:]}))


def test_points_of_several_markups_and_of_lines_are_taken_together(tmp_path: Path) -> None:
    other = {"type": "Line", "coordinateSystem": "RAS", "controlPoints": [{"label": "b", "position": [4, 5, 6]}]}
    path = written(tmp_path)
    content = json.loads(path.read_text())
    content["markups"].append(other)
    path.write_text(json.dumps(content))
    assert read_markups(path) == {"a": [-1, -2, 3], "b": [4, 5, 6]}


@pytest.mark.parametrize(
    ("markup", "words"),
    [
        ({"type": "ROI"}, "of type 'ROI': landmarks are points"),
        ({"type": "Plane"}, "of type 'Plane'"),
        ({"type": ["Fiducial"]}, "of type"),
        ({"controlPoints": [POINT, POINT]}, "two landmarks named 'a'"),
        ({"controlPoints": [{"position": [1, 2, 3]}]}, "a point without a name"),
        ({"controlPoints": [{"label": 3, "position": [1, 2, 3]}]}, "label 3, which is no text"),
        ({"controlPoints": [{"label": "a"}]}, "position of 'a' must be 3 finite numbers"),
        ({"controlPoints": [{**POINT, "position": [1, 2]}]}, "must be 3 finite numbers"),
        ({"controlPoints": [{**POINT, "position": [1, 2, float("nan")]}]}, "must be 3 finite numbers"),
        ({"controlPoints": [{**POINT, "position": [1, 2, True]}]}, "must be 3 finite numbers"),
        ({"controlPoints": [{**POINT, "positionStatus": "sure"}]}, "positionStatus 'sure'"),
        ({"controlPoints": [7]}, "no control point"),
        ({"controlPoints": 7}, "no list"),
    ],
)
def test_what_is_no_landmark_is_refused_by_what_it_is(tmp_path: Path, markup: dict[str, Any], words: str) -> None:
    with pytest.raises(InputError, match=words):
        read_markups(written(tmp_path, markup))


@pytest.mark.parametrize("text", ["[1]", "{}", '{"markups": 3}', '{"markups": [3]}', "{"])
def test_json_that_is_no_markups_is_refused(tmp_path: Path, text: str) -> None:
    path = tmp_path / "points.mrk.json"
    path.write_text(text)
    with pytest.raises(InputError, match=r"points\.mrk\.json"):
        read_markups(path)


def test_markups_are_known_by_what_they_hold_too(tmp_path: Path) -> None:
    path = written(tmp_path).rename(tmp_path / "points.json")
    assert is_markups(path)
    path.write_text('{"a": {"world_ras_mm": [1, 2, 3], "pixel": [1, 2]}}')
    assert not is_markups(path)


@pytest.mark.parametrize(("system", "sign"), [("LPS", -1), ("1", -1), ("RAS", 1), ("0", 1)])
def test_fcsv_is_read_with_quotes_and_without_points_that_are_not_placed(
    tmp_path: Path, system: str, sign: float
) -> None:
    path = tmp_path / "points.fcsv"
    path.write_text(FCSV.replace("= LPS", f"= {system}"))
    assert read_markups(path) == {
        'a "b", c': [sign, 2 * sign, 3],
        "spaced label": [-4 * sign, 5.5 * sign, 60],
    }


@pytest.mark.parametrize(
    ("old", "new", "words"),
    [
        ("# Markups fiducial file version = 4.11\n", "", "as of Slicer 3"),
        ("# CoordinateSystem = LPS\n", "", "add the line '# CoordinateSystem = LPS'"),
        ("= LPS", "= IJK", "coordinate system 'IJK'"),
        ("id,x,y,z", "id,z,y,x", "has the columns"),
        ("-4,5.5", "-4,5;5", "coordinate '5;5'"),
        ("-4,5.5", "-4,nan", "coordinate 'nan'"),
        (" spaced label ", "", "without a name"),
        ("2,-4", "-4", "point 2, .* does not hold"),
        ("3,7,8,9", "3,7", "point 3, .* does not hold"),
        (" spaced label ", "a, b", "point 2, .* not in quotes"),
    ],
)
def test_an_fcsv_that_cannot_be_used_is_a_clear_error(tmp_path: Path, old: str, new: str, words: str) -> None:
    path = tmp_path / "points.fcsv"
    path.write_text(FCSV.replace(old, new))
    with pytest.raises(InputError, match=words):
        read_markups(path)


def test_annotations_of_older_slicers_are_refused_with_the_remedy(tmp_path: Path) -> None:
    path = tmp_path / "points.acsv"
    path.write_text("point|1|2|3|1|1\n")
    with pytest.raises(InputError, match=r"save the points as \.mrk\.json"):
        read_markups(path)
