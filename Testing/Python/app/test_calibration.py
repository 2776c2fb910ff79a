"""Calibration files are read when they change, not with every look."""

import os
from dataclasses import replace

import pytest
import torch

from SphericalRegLib.app.panel.calibration import CalibrationCheck, calibrated_views, views_for
from SphericalRegLib.errors import InputError
from SphericalRegLib.geometry import se3
from SphericalRegLib.io.calibration_files import write_autoscoper, write_json
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
    assert [one.sdd for one in views_for([path], 2)] == [view.sdd, view.sdd]
    with pytest.raises(InputError, match=r"holds 2 views for 1 X-ray:"):
        views_for([path], 1)


def test_each_xray_may_have_a_file_of_its_own_as_autoscoper_writes_them(tmp_path):
    view = read_xray(sample_path("pelvis_lumbar_3mm_ap.dcm")).view
    turned = replace(view, camera_from_rig=se3.exp(torch.tensor([0.1, 1.5, 0.0, 30.0, -9.0, 800.0]).double()))
    paths = [tmp_path / "cam1.txt", tmp_path / "cam2.txt"]
    for path, one in zip(paths, (turned, view.cropped(0, 0, 100, 90)), strict=True):
        write_autoscoper(path, replace(one, camera_from_rig=turned.camera_from_rig))
    first, second = views_for(paths, 2)
    assert torch.allclose(first.camera_from_rig, turned.camera_from_rig)
    assert (second.height, second.width) == (100, 90)
    with pytest.raises(InputError, match=r"cam1.txt holds 1 view for 2 X-rays: .* a file for each"):
        views_for(paths[:1], 2)
    both = tmp_path / "both.json"
    write_json(both, [view, view])
    with pytest.raises(InputError, match=r"both.json holds 2 views: beside another file"):
        views_for([both, paths[0]], 2)
