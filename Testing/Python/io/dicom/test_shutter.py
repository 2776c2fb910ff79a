"""Collimators and shutters by their DICOM tags."""

import numpy as np
import pytest
from pydicom.dataset import Dataset

from SphericalRegLib.io.dicom.shutter import field_from_tags


def tags(**values):
    dataset = Dataset()
    for keyword, value in values.items():
        setattr(dataset, keyword, value)
    return dataset


def edges(prefix, left, right, upper, lower):
    return {
        f"{prefix}LeftVerticalEdge": left,
        f"{prefix}RightVerticalEdge": right,
        f"{prefix}UpperHorizontalEdge": upper,
        f"{prefix}LowerHorizontalEdge": lower,
    }


@pytest.mark.parametrize("prefix", ["Collimator", "Shutter"])
def test_a_rectangle_is_counted_from_one_and_its_edges_are_shadow(prefix):
    field = field_from_tags(tags(**{f"{prefix}Shape": "RECTANGULAR"}, **edges(prefix, 2, 6, 1, 4)), 5, 7)
    expected = np.zeros((5, 7), bool)
    expected[1:3, 2:5] = True  # columns 3 to 5 and rows 2 to 3, counted from 1
    np.testing.assert_array_equal(field, expected)


def test_a_circle_is_row_before_column():
    dataset = tags(ShutterShape="CIRCULAR", CenterOfCircularShutter=[4, 7], RadiusOfCircularShutter=2)
    field = field_from_tags(dataset, 9, 12)
    assert field.sum() == 13
    assert field[3, 6]
    assert field[3, 8]
    assert not field[6, 3]


def test_a_polygon_of_row_and_column_pairs():
    dataset = tags(CollimatorShape="POLYGONAL", VerticesOfThePolygonalCollimator=[1, 1, 1, 9, 9, 1])
    field = field_from_tags(dataset, 10, 10)
    rows, columns = np.mgrid[1:11, 1:11]
    sure = np.abs(rows + columns - 10) > 1
    np.testing.assert_array_equal(field[sure], ((rows + columns < 10) & (rows < 9) & (columns < 9))[sure])


def test_several_shapes_hold_together():
    dataset = tags(
        ShutterShape=["RECTANGULAR", "CIRCULAR"],
        CenterOfCircularShutter=[5, 5],
        RadiusOfCircularShutter=3,
        **edges("Shutter", 0, 5, 0, 11),
    )
    field = field_from_tags(dataset, 10, 10)
    assert field[4, 3]
    assert not field[4, 5]
    assert not field[0, 0]


@pytest.mark.parametrize(
    "values",
    [
        {},
        {"CollimatorShape": "RECTANGULAR"},
        {"CollimatorShape": "RECTANGULAR", **edges("Collimator", -184, 184, 907, 1299)},
        {"ShutterShape": "CIRCULAR", "CenterOfCircularShutter": [5, 5], "RadiusOfCircularShutter": 0},
        {"ShutterShape": "POLYGONAL", "VerticesOfThePolygonalShutter": [1, 1, 2, 2]},
        {"ShutterShape": "BITMAP"},
    ],
)
def test_tags_that_describe_nothing_of_this_image_exclude_nothing(values):
    assert field_from_tags(tags(**values), 10, 12) is None
