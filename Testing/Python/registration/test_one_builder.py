"""Command line, panel and Python run one and the same method: the same case gives the same pose to the bit."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
import torch

from SphericalRegLib.app.jobs.registration_job import Inputs, RegistrationJob
from SphericalRegLib.app.panel.cases import case_for
from SphericalRegLib.app.panel.methods import Advanced, system_for
from SphericalRegLib.cli.main import main
from SphericalRegLib.cli.reading.system_choice import as_yaml, chosen_system
from SphericalRegLib.geometry import se3
from SphericalRegLib.imaging.volume import to_volume
from SphericalRegLib.io.ct import read_ct
from SphericalRegLib.io.pose_file import read_pose
from SphericalRegLib.io.xray import read_xray
from SphericalRegLib.networks.model import load_model
from SphericalRegLib.registration import SYSTEMS, Case, Conditions, default_system, register
from SphericalRegLib.registration.plain import from_plain
from SphericalRegLib.sample import sample_path

NAME = "pelvis_lumbar_3mm"
CT, XRAY = str(sample_path(f"{NAME}.nii.gz")), str(sample_path(f"{NAME}_ap.dcm"))
MODEL = str(sample_path(f"{NAME}_model.safetensors"))
LABELS = [str(sample_path(f"{NAME}_labels.{end}")) for end in ("nii.gz", "json")]


@pytest.fixture(scope="module")
def scan():
    return read_ct(CT, *LABELS)


@pytest.fixture(scope="module")
def volume(scan):
    return to_volume(scan)


@pytest.fixture(scope="module")
def near(volume, tmp_path_factory) -> Path:
    """File of a pose some degrees and millimeters off the truth."""
    off = torch.tensor([[0.05, -0.04, 0.03, 6.0, -5.0, 10.0]], dtype=torch.float64)
    pose = se3.about(off, read_pose(sample_path(f"{NAME}_ap_truth.json"))[None], volume.center)[0]
    path = tmp_path_factory.mktemp("poses") / "near.json"
    path.write_text(json.dumps({"rig_from_world_ras_mm": pose.tolist()}))
    return path


def by_command(folder: Path, *options: str) -> dict:
    """``result.json`` of the command."""
    assert main(["register", "--ct", CT, "--xray", XRAY, "--output", str(folder), "--quiet", *options]) in (0, 3, 4)
    return json.loads((folder / "result.json").read_text())


def pose_of(told: dict) -> list:
    return told["pose_rig_from_world_ras_mm"]


def by_panel(scan, case, system, seed=0) -> list:
    """What a panel's job ends with."""
    job = RegistrationJob(Inputs(scan, case, system, Conditions(seed=seed)))
    for _ in job:
        pass
    return job.result().outcome.result.pose.tolist()


@pytest.mark.parametrize(
    ("options", "method", "advanced"),
    [
        ([], "automatic", Advanced()),
        (["--seed", "3"], "automatic", Advanced(seed=3)),
        (
            ["--similarity", "ncc", "--optimizer", "adam"],
            "automatic",
            Advanced(similarity="ncc", optimizer="adam"),
        ),
    ],
)
def test_with_nothing_but_files(scan, volume, tmp_path, options, method, advanced):
    told = pose_of(by_command(tmp_path / "out", *options))
    xray = read_xray(XRAY)
    system = system_for(method, advanced=advanced)
    assert by_panel(scan, case_for(method, volume, [xray]), system, advanced.seed) == told
    python = SYSTEMS["intensity"]
    if advanced.similarity != "default":
        python = python.ending_with(advanced.similarity, advanced.optimizer)
    assert register(Case(volume, [xray]), python, Conditions(seed=advanced.seed)).pose.tolist() == told


def test_from_a_pose_by_a_named_system_by_its_file_and_by_its_result(scan, volume, near, tmp_path):
    start = ["--start-pose", str(near)]
    told = by_command(tmp_path / "name", *start, "--system", "near")
    assert told["settings"]["system"] == "near: close around a given pose"
    xray, pose = read_xray(XRAY), read_pose(near)
    assert by_panel(scan, case_for("current pose", volume, [xray], current=pose), system_for("current pose")) == (
        pose_of(told)
    )
    assert register(Case(volume, [xray], poses=pose), SYSTEMS["near"]).pose.tolist() == pose_of(told)
    mine = tmp_path / "my.yaml"
    mine.write_text(as_yaml(SYSTEMS["near"]).replace("name: near", "name: mine"), encoding="utf-8")
    own = by_command(tmp_path / "file", *start, "--system", str(mine))
    assert own["system"]["name"] == "mine"
    assert pose_of(own) == pose_of(told)


def test_a_result_repeats_its_pose_with_whatever_options_it_was_made(near, tmp_path):
    start = ["--start-pose", str(near)]
    changes = ["--search", '{"rotation_deg": 6, "in_plane_mm": 9, "depth_mm": 15}', "--candidates", "5"]
    first = by_command(tmp_path / "first", *start, *changes, "--similarity", "local-ncc", "--optimizer", "l-bfgs")
    stored = from_plain(first["system"])
    assert stored.initializer.given.candidates == 5
    assert chosen_system(str(tmp_path / "first" / "result.json")) == stored
    again = by_command(tmp_path / "again", *start, "--system", str(tmp_path / "first" / "result.json"))
    assert pose_of(again) == pose_of(first)
    assert again["system"] == first["system"]
    assert again["cost"] == first["cost"]
    plain = by_command(tmp_path / "plain", *start)
    assert pose_of(plain) != pose_of(first)


def test_with_a_model(scan, volume, tmp_path):
    told = pose_of(by_command(tmp_path / "out", "--model", MODEL))
    model, xray = load_model(MODEL), read_xray(XRAY)
    case = case_for("automatic", volume, [xray], model=model)
    assert by_panel(scan, case, system_for("automatic", model=True)) == told
    assert register(Case(volume, [xray], model=model), default_system(model=True)).pose.tolist() == told


@pytest.mark.parametrize("with_model", [False, True])
def test_of_chosen_bones(scan, near, tmp_path, with_model):
    options = ["--labels", LABELS[0], "--label_names", LABELS[1], "--bones", "sacrum", "--start-pose", str(near)]
    told = by_command(tmp_path / "out", *options, *(["--model", MODEL] if with_model else []))
    assert told["system"]["name"] == ("bones-model" if with_model else "bones")
    bone, xray, pose = to_volume(scan, labels=["sacrum"]), read_xray(XRAY), read_pose(near)
    model = load_model(MODEL) if with_model else None
    case = Case(bone, [xray], to_volume(scan) if with_model else None, poses=pose, model=model)
    assert register(case, default_system(True, with_model)).pose.tolist() == pose_of(told)
    assert by_panel(scan, case, system_for("automatic", True, with_model)) == pose_of(told)
