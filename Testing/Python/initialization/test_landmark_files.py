"""Landmarks from CSV, JSON and Slicer's markups."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
import SimpleITK

from SphericalRegLib.errors import InputError
from SphericalRegLib.initialization.landmark_files import read_landmarks

CSV = "name,x,y,z,u,v\nASIS left,-1.5,2,3,40,50.5\nASIS right, 4, 5, 6, 70, 80\n"
POINTS = {"ASIS left": [-1.5, 2, 3], "ASIS right": [4, 5, 6]}
PIXELS = {"ASIS left": [40, 50.5], "ASIS right": [70, 80]}


def test_csv_and_json_hold_the_same(tmp_path: Path) -> None:
    (tmp_path / "a.csv").write_text(CSV)
    both = {name: {"world_ras_mm": POINTS[name], "pixel": PIXELS[name]} for name in POINTS}
    (tmp_path / "a.json").write_text(json.dumps(both))
    for name in ("a.csv", "a.json"):
        assert read_landmarks([tmp_path / name], ["x.dcm"]) == ([POINTS], [PIXELS])


def test_slicers_markups_are_read_in_world_ras_and_in_pixels_of_the_image(tmp_path: Path) -> None:
    image = SimpleITK.GetImageFromArray(np.zeros((90, 80), np.float32))
    image.SetSpacing((0.5, 2.0))
    image.SetOrigin((10.0, -20.0))
    SimpleITK.WriteImage(image, str(tmp_path / "xray.nrrd"))
    lps = {name: [-x, -y, z] for name, (x, y, z) in POINTS.items()}
    physical = {name: [10 + 0.5 * u, -20 + 2 * v, 0] for name, (u, v) in PIXELS.items()}
    for file, places in (("ct", lps), ("xray", physical)):
        points = [{"label": n, "position": p, "positionStatus": "defined"} for n, p in places.items()]
        points.append({"label": "skipped", "position": [0, 0, 0], "positionStatus": "undefined"})
        markup = {"markups": [{"type": "Fiducial", "coordinateSystem": "LPS", "controlPoints": points}]}
        (tmp_path / f"{file}.mrk.json").write_text(json.dumps(markup))
    files = [tmp_path / "ct.mrk.json", tmp_path / "xray.mrk.json"]
    (world,), (pixels,) = read_landmarks(files, [tmp_path / "xray.nrrd"])
    assert {n: pytest.approx(p) for n, p in world.items()} == POINTS
    assert {n: pytest.approx(p) for n, p in pixels.items()} == PIXELS
    with pytest.raises(InputError, match="1 landmark files for 1"):
        read_landmarks(files[:1], [tmp_path / "xray.nrrd"])


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("name,x,y\nA,1,2\n", "lacks the columns z, u, v"),
        (CSV + "A,1,2,three,4,5\n", "three"),
        (CSV + "A,1,2\n", "landmarks are"),
        (CSV + "ASIS left,1,2,3,4,5\n", "two landmarks named 'ASIS left'"),
        ("", "empty"),
    ],
)
def test_a_csv_file_that_cannot_be_used_is_a_clear_error(tmp_path: Path, content: str, message: str) -> None:
    (tmp_path / "a.csv").write_text(content)
    with pytest.raises(InputError, match=message):
        read_landmarks([tmp_path / "a.csv"], ["x.dcm"])


@pytest.mark.parametrize("content", ["[1]", '{"a": 1}', '{"a": {"world_ras_mm": ["x"], "pixel": [1, 2]}}', "{"])
def test_a_json_file_that_cannot_be_used_is_a_clear_error(tmp_path: Path, content: str) -> None:
    (tmp_path / "a.json").write_text(content)
    with pytest.raises(InputError, match=r"a\.json"):
        read_landmarks([tmp_path / "a.json"], ["x.dcm"])


def test_there_must_be_one_file_for_each_xray(tmp_path: Path) -> None:
    (tmp_path / "a.csv").write_text(CSV)
    with pytest.raises(InputError, match="1 landmark files for 2"):
        read_landmarks([tmp_path / "a.csv"], ["x.dcm", "y.dcm"])
