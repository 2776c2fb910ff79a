"""Calibration files are read when they change, not with every look."""

import os

import pytest

from SphericalRegLib.app.panel.calibration import CalibrationCheck, calibrated_views, views_for
from SphericalRegLib.errors import InputError
from SphericalRegLib.io.calibration_files import write_json
from SphericalRegLib.io.xray import read_xray
from SphericalRegLib.sample import sample_path


def test_a_file_is_read_once_for_each_state_of_it(tmp_path):
    calls = []
    check = CalibrationCheck(lambda path: (calls.append(path), calibrated_views(path))[1])
    path = tmp_path / "bad.json"
    path.write_text('{"a": 1}')
    for _ in range(3):
        views, text = check(path)
        assert list(views) == []
        assert "not a geometry file" in text
    assert len(calls) == 1
    path.write_text("not even JSON")
    os.utime(path, ns=(1, 1))
    assert "not a JSON file" in check(path)[1]
    assert len(calls) == 2


def test_it_must_hold_a_view_for_each_xray(tmp_path):
    view = read_xray(sample_path("pelvis_lumbar_3mm_ap.dcm")).view
    path = tmp_path / "views.json"
    write_json(path, [view, view])
    assert [one.sdd for one in views_for(path, 2)] == [view.sdd, view.sdd]
    with pytest.raises(InputError, match="holds 2 views for 1 X-rays"):
        views_for(path, 1)
