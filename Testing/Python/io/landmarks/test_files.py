"""Landmarks from tables, JSON and Slicer's markups."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import SimpleITK

from SphericalRegLib.errors import InputError
from SphericalRegLib.io.landmarks.files import read_landmarks

CSV = "name,x,y,z,u,v\nASIS left,-1.5,2,3,40,50.5\nASIS right, 4, 5, 6, 70, 80\n"
POINTS = {"ASIS left": [-1.5, 2, 3], "ASIS right": [4, 5, 6]}
PIXELS = {"ASIS left": [40, 50.5], "ASIS right": [70, 80]}


def both(path: Path) -> tuple[Any, Any]:
    (points,), (pixels,) = read_landmarks([path], ["x.dcm"])
    return points, pixels


def test_csv_and_json_hold_the_same(tmp_path: Path) -> None:
    (tmp_path / "a.csv").write_text(CSV)
    content = {name: {"world_ras_mm": POINTS[name], "pixel": PIXELS[name]} for name in POINTS}
    (tmp_path / "a.json").write_text(json.dumps(content))
    for name in ("a.csv", "a.json"):
        assert both(tmp_path / name) == (POINTS, PIXELS)


@pytest.mark.parametrize(
    "text",
    [
        "name;x;y;z;u;v\nASIS left;-1,5;2;3;40;50,5\nASIS right;4;5;6;70;80\n",
        "name;x;y;z;u;v\r\nASIS left;-1.5;2;3;40;50.5\r\nASIS right;4;5;6;70;80\r\n",
        "\ufeffName\tX\tY\tZ\tU\tV\nASIS left\t-1.5\t2\t3\t40\t50.5\nASIS right\t4\t5\t6\t7e1\t+80.\n",
        'u, v, note, name, x, y, z\n40, 50.5, "a, b", ASIS left , -1.5, 2, 3\n,,,,,,\n70, 80,, ASIS right, 4, 5, 6\n',
    ],
)
def test_tables_are_read_as_spreadsheets_write_them(tmp_path: Path, text: str) -> None:
    (tmp_path / "a.csv").write_text(text, encoding="utf-8", newline="")
    assert both(tmp_path / "a.csv") == (POINTS, PIXELS)


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("name,x,y\nA,1,2\n", "lacks the columns z, u, v"),
        (
            "name,x (cm),y (cm),z (cm),u,v\nA,1,2,3,4,5\n",
            r"lacks the columns x, y, z \(its first line .*in mm and pixels",
        ),
        ("name,x,y,z,u,v,x\nA,1,2,3,4,5,6\n", "has the column x twice"),
        (CSV + "A,1,2,three,4,5\n", "line 4: z is 'three'"),
        (CSV + "A,1,2,nan,4,5\n", "line 4: z is 'nan', which is no finite number"),
        (CSV + "A,1,2,1e999,4,5\n", "z is '1e999'"),
        (CSV + "A,1,2,1_0,4,5\n", "z is '1_0'"),
        (CSV + "A,1,2\n", "line 4 has 3 values for 6 columns"),
        (CSV + "A,1,5,2,5,3,4,5\n", "has 8 values for 6 columns.*Decimal commas need semicolons"),
        (CSV + 'A,"1,234",2,3,4,5\n', "x is '1,234'"),
        ("name;x;y;z;u;v\nA;1,5;2.5;3;4;5\n", "some numbers with a decimal comma and some with a point"),
        (CSV + ",1,2,3,4,5\n", "line 4 has no name"),
        (CSV + "ASIS left,1,2,3,4,5\n", "two landmarks named 'ASIS left'"),
        (CSV + '"' + "A" * 200_000 + '",1,2,3,4,5\n', "line 4 cannot be read"),
        ("", "empty"),
    ],
)
def test_a_csv_file_that_cannot_be_used_is_a_clear_error(tmp_path: Path, content: str, message: str) -> None:
    (tmp_path / "a.csv").write_text(content)
    with pytest.raises(InputError, match=message):
        both(tmp_path / "a.csv")


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("[1]", "holds a list"),
        ('{"a": 1}', "landmarks are"),
        ('{"a": {"world_ras_mm": ["x"], "pixel": [1, 2]}}', "must be 3 finite numbers"),
        (
            '{"a": {"world_ras_mm": [1, 2, 1e400], "pixel": [1, 2]}}',
            "'world_ras_mm' of the landmark 'a' must be 3 finite",
        ),
        ('{"a": {"world_ras_mm": [1, 2, true], "pixel": [1, 2]}}', "must be 3 finite numbers"),
        (
            '{"a": {"world_ras_mm": [1, 2, 3], "pixel": [1, NaN]}}',
            "'pixel' of the landmark 'a' must be 2 finite numbers",
        ),
        ('{"a": {"world_ras_mm": [1, 2, 3], "pixel": [1, 2]}, "a": {}}', "holds 'a' twice"),
        ("[" * 100_000, "nested too deeply"),
        ("{", "not a JSON file"),
    ],
)
def test_a_json_file_that_cannot_be_used_is_a_clear_error(tmp_path: Path, content: str, message: str) -> None:
    (tmp_path / "a.json").write_text(content)
    with pytest.raises(InputError, match=rf"a\.json.*{message}"):
        both(tmp_path / "a.json")


def test_there_must_be_one_file_for_each_xray(tmp_path: Path) -> None:
    (tmp_path / "a.csv").write_text(CSV)
    with pytest.raises(InputError, match="1 landmark files for 2"):
        read_landmarks([tmp_path / "a.csv"], ["x.dcm", "y.dcm"])


def markups(path: Path, points: dict[str, list[float]]) -> Path:
    controls = [{"label": name, "position": position} for name, position in points.items()]
    path.write_text(
        json.dumps({"markups": [{"type": "Fiducial", "coordinateSystem": "LPS", "controlPoints": controls}]})
    )
    return path


def test_slicers_markups_are_read_in_world_ras_and_in_pixels_of_the_image(tmp_path: Path) -> None:
    image = SimpleITK.GetImageFromArray(np.zeros((90, 80), np.float32))
    image.SetSpacing((0.5, 2.0))
    image.SetOrigin((10.0, -20.0))
    SimpleITK.WriteImage(image, str(tmp_path / "xray.nrrd"))
    files = [
        markups(tmp_path / "ct.mrk.json", {name: [-x, -y, z] for name, (x, y, z) in POINTS.items()}),
        markups(tmp_path / "xray.mrk.json", {n: [10 + 0.5 * u, -20 + 2 * v, 0] for n, (u, v) in PIXELS.items()}),
    ]
    (world,), (pixels,) = read_landmarks(files, [tmp_path / "xray.nrrd"])
    assert {n: pytest.approx(p) for n, p in world.items()} == POINTS
    assert {n: pytest.approx(p) for n, p in pixels.items()} == PIXELS
    with pytest.raises(InputError, match="1 landmark files for 1"):
        read_landmarks(files[:1], [tmp_path / "xray.nrrd"])
    (tmp_path / "xray.csv").write_text(CSV)
    with pytest.raises(InputError, match=r"xray\.csv is no markups file of 3D Slicer but .*ct\.mrk\.json is"):
        read_landmarks([files[0], tmp_path / "xray.csv"], [tmp_path / "xray.nrrd"])
