"""Other ways into the main job: landmarks to start from, and several X-rays with a calibration."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from SphericalRegLib.cli.main import main
from SphericalRegLib.geometry import se3
from SphericalRegLib.geometry.carm import pose_from_preset
from SphericalRegLib.imaging.volume import to_volume
from SphericalRegLib.io.calibration_files import read_json, write_autoscoper, write_json
from SphericalRegLib.io.ct import read_ct

pytestmark = pytest.mark.filterwarnings("ignore::UserWarning")

# World (RAS, mm) off the CT's isocenter.
PLACES = [(60, 30, 20), (-50, 40, -30), (10, -60, 40), (-20, 10, -60), (70, -20, -50), (-60, -50, 10), (30, 60, -10)]


@pytest.fixture(scope="module")
def isocenter(case: Any) -> torch.Tensor:
    return to_volume(read_ct(case.ct)).center


def test_landmarks_give_the_start_and_a_wrong_one_is_named(case: Any, isocenter: torch.Tensor, tmp_path: Path) -> None:
    (view,), pose = read_json(case.truth)
    points = isocenter + torch.tensor(PLACES, dtype=torch.float64)
    pixels = view.project(points, pose) + torch.from_numpy(np.random.default_rng(0).normal(0, 0.3, (len(PLACES), 2)))
    pixels[3] += torch.tensor([25.0, -14.0])
    pairs = torch.cat([points, pixels], dim=1).tolist()
    rows = [f"point {n},{','.join(map(str, numbers))}" for n, numbers in enumerate(pairs)]
    (tmp_path / "landmarks.csv").write_text("\n".join(["name,x,y,z,u,v", *rows]))
    files = ["--ct", case.ct, "--xray", case.xray, "--truth", case.truth, "--output", str(tmp_path / "out")]
    start = ["--landmarks", str(tmp_path / "landmarks.csv"), "--candidates", "1", "--quiet"]
    assert main(["register", *files, *start]) == 0
    result = json.loads((tmp_path / "out" / "result.json").read_text())
    assert result["settings"]["start"].startswith("6 landmarks")
    assert "without point 3" in result["settings"]["start"]
    assert result["start_errors"]["mtre_mm"] < 15
    assert result["mtre_mm"] < 1.0


@pytest.mark.parametrize("kind", ["autoscoper", "json"])
def test_two_xrays_with_their_calibration_share_one_pose(
    kind: str, case: Any, isocenter: torch.Tensor, tmp_path: Path
) -> None:
    (frontal,), pose = read_json(case.truth)
    ap, side = (pose_from_preset(name, 800.0, isocenter) for name in ("AP", "left lateral"))
    lateral_from_rig = side @ se3.inverse(ap)
    write_json(tmp_path / "lateral_pose.json", [frontal], lateral_from_rig @ pose)
    files = ["--output", str(tmp_path / "side.dcm"), "--truth", str(tmp_path / "side.json"), "--seed", "1", "--quiet"]
    place = ["--size", "128", "128", "--spacing", "3.2", "3.2", "--preset", "left lateral"]
    given = ["--pose", str(tmp_path / "lateral_pose.json")]
    assert main(["simulate", "--ct", case.ct, *files, *place, *given]) == 0
    (alone,), _ = read_json(tmp_path / "side.json")
    views = [frontal, replace(alone, camera_from_rig=alone.camera_from_rig @ lateral_from_rig, name="side")]
    if kind == "json":
        write_json(tmp_path / "rig.json", views)
        calibration = [str(tmp_path / "rig.json")]
    else:
        names = [str(tmp_path / "front.txt"), str(tmp_path / "side.txt")]
        for file, view in zip(names, views, strict=True):
            write_autoscoper(file, view)
        calibration = [*names, "--sdd", "1200"]
    images = ["--ct", case.ct, "--xray", case.xray, str(tmp_path / "side.dcm"), "--view", *calibration]
    start = ["--start-pose", str(tmp_path / "start.json"), "--truth", case.truth, "--candidates", "4", "--quiet"]
    off = torch.tensor([0.05, -0.04, 0.06, 8.0, -6.0, 15.0], dtype=torch.float64)
    write_json(tmp_path / "start.json", [frontal], se3.about(off, pose, isocenter))
    assert main(["register", *images, *start, "--output", str(tmp_path / "out")]) == 0
    result = json.loads((tmp_path / "out" / "result.json").read_text())
    assert len(result["xrays"]) == 2
    # the second view sees what is depth to the first
    assert result["mtre_mm"] < 0.3
    assert result["depth_sd_mm"] < 0.15
    assert result["half_widths_95"]["depth_mm"] < 1.0
    assert result["verdict"] == "accepted"
