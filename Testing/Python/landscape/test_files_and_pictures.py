"""What is saved can be read again, and what is drawn is there."""

from __future__ import annotations

import csv
import json
from dataclasses import fields, replace
from pathlib import Path

import cv2
import numpy as np
import pytest

from SphericalRegLib.errors import InputError
from SphericalRegLib.landscape import Axis, Landscape
from SphericalRegLib.landscape.files import read_npz, write_csv, write_npz
from SphericalRegLib.landscape.picture import draw
from SphericalRegLib.landscape.report import as_json, as_text, statistics


def made(values: np.ndarray | None = None) -> Landscape:
    """A bowl in (ry, tz) with its bottom at (0.25, -20), and its square root as a distance; a hole in the bowl."""
    first, second = Axis("ry", 1.0, 9), Axis("tz", 60.0, 13)
    x, y = np.meshgrid(first.values, second.values, indexing="ij")
    bowl = (100 * (x - 0.25)) ** 2 + 4 * (y + 20) ** 2
    holed = bowl.copy()
    holed[0, 11:] = np.nan
    pose = np.eye(4)
    pose[:3, 3] = 1.5, -2.25, 700.125
    return Landscape(
        first,
        second,
        ("model", "se3"),
        np.stack([holed, np.sqrt(bowl)]) if values is None else values,
        pose,
        np.array([3.0, 4.0, 5.0]),
        np.eye(4),
        100.0,
        np.array([123.0, np.nan]),
    )


def test_what_was_saved_can_be_read_and_drawn_again(tmp_path: Path) -> None:
    landscape = made()
    write_npz(tmp_path / "a.npz", landscape)
    found = read_npz(tmp_path / "a.npz")
    for field in fields(Landscape):
        np.testing.assert_equal(getattr(found, field.name), getattr(landscape, field.name))
    assert draw(found) == draw(landscape)
    with np.load(tmp_path / "a.npz") as stored:
        assert stored["units"].tolist() == ["rad", "mm"]
        np.testing.assert_allclose(stored["second"], np.linspace(-60, 60, 13))


def test_the_table_has_a_line_for_each_pose_with_units_and_empty_places(tmp_path: Path) -> None:
    landscape = made()
    write_csv(tmp_path / "a.csv", landscape)
    rows = list(csv.DictReader((tmp_path / "a.csv").open()))
    assert list(rows[0]) == ["ry_rad", "tz_mm", "model", "se3"]
    assert len(rows) == 9 * 13
    row = rows[2 * 13 + 5]
    assert (float(row["ry_rad"]), float(row["tz_mm"])) == (-0.5, -10.0)
    assert float(row["model"]) == landscape.values[0, 2, 5]
    assert rows[12]["model"] == ""
    assert float(rows[12]["se3"]) == landscape.values[1, 0, 12]


def test_a_file_that_is_no_landscape_is_an_error(tmp_path: Path) -> None:
    write_npz(tmp_path / "whole.npz", made())
    content = (tmp_path / "whole.npz").read_bytes()
    np.savez(tmp_path / "other.npz", values=np.zeros(3))
    (tmp_path / "cut.npz").write_bytes(content[: len(content) // 2])
    (tmp_path / "text.npz").write_text("not a landscape")
    (tmp_path / "empty.npz").write_bytes(b"")
    np.save(tmp_path / "array.npy", np.zeros(3))
    for name in ("other.npz", "cut.npz", "text.npz", "empty.npz", "array.npy", "missing.npz"):
        with pytest.raises(InputError, match=f"{name.split('.')[0]}.* is no landscape"):
            read_npz(tmp_path / name)


def test_a_place_that_cannot_be_written_to_is_an_error(tmp_path: Path) -> None:
    for write, name in ((write_npz, "a.npz"), (write_csv, "a.csv")):
        with pytest.raises(InputError, match=r"Cannot write .*nowhere"):
            write(tmp_path / "nowhere" / name, made())
    assert list(tmp_path.iterdir()) == []


def test_numbers_have_their_units_and_json_has_no_nan() -> None:
    told = json.loads(json.dumps(as_json(made()), allow_nan=False))
    model, distance = told["costs"]["model"], told["costs"]["se3"]
    assert model["minimum"]["at"] == {"ry": 0.25, "tz": -20.0}
    assert model["minimum"]["from_center_mm"] == pytest.approx(np.hypot(25, 20))
    assert model["monotone_basin"]["ry"]["radius"] == pytest.approx(0.75)
    assert model["monotone_basin"]["tz"] == {"radius": 40.0, "radius_is_at_least": True, "below": 40.0, "above": 80.0}
    # 100 mm count as one radian: both curvatures in mm
    assert model["grid_hessian_condition_2x2_at_minimum"] == pytest.approx(4.0)
    assert model["gauss_newton_condition_6x6_at_center"] == 123.0
    assert model["poses_without_value"] == 2
    # a distance has no curvature at its tip, its square has
    assert distance["grid_hessian_condition_2x2_at_minimum"] == pytest.approx(4.0)
    assert distance["gauss_newton_condition_6x6_at_center"] is None


def test_the_text_says_the_same() -> None:
    text = as_text(made())
    for words in (
        "0 at ry +0.25 rad, tz -20 mm; 32.0 mm from the center",
        "tz at least 40 mm (-40 to +80)",
        "1, of which 0 at the edge",
        "4 (of these two parameters",
        "123 (Gauss-Newton",
        "2 of 117 poses",
    ):
        assert words in text
    assert text.count("Gauss-Newton") == 1


def test_a_picture_shows_low_cost_dark_where_it_is() -> None:
    pixels = cv2.imdecode(np.frombuffer(draw(made()), np.uint8), cv2.IMREAD_COLOR)
    height, width = pixels.shape[:2]
    assert width == 1210
    # the contours of the second row, as ``draw`` places them: first parameter to the right, second upward
    left, right = 0.58 * width, 0.89 * width
    bottom, top = height - 0.65 * 110, height - (0.65 + 3.25) * 110

    def brightness(x: float, y: float) -> float:
        column = left + (x + 1) / 2 * (right - left)
        row = bottom + (y + 60) / 120 * (top - bottom)
        return float(pixels[int(row) - 3 : int(row) + 4, int(column) - 3 : int(column) + 4].mean())

    assert brightness(0.12, -20) < brightness(-0.5, -20) < brightness(-0.9, 50)
    assert brightness(0.25, -35) < brightness(0.25, 20) < brightness(0.25, 55)


@pytest.mark.filterwarnings("error")
@pytest.mark.parametrize("kind", ["flat", "mostly empty", "one value"])
def test_odd_surfaces_are_drawn_without_a_warning(kind: str) -> None:
    values = np.full((2, 9, 13), np.nan)
    if kind == "flat":
        values[:] = 2.0
    elif kind == "mostly empty":
        values[:, 3:6, 4:8] = np.arange(24).reshape(2, 3, 4)
    else:
        values[:, 4, 6] = 1.0
    landscape = replace(made(), values=values)
    assert draw(landscape).startswith(b"\x89PNG")
    assert statistics(landscape)["model"].minima == 1
