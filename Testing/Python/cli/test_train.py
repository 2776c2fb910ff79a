"""The command trains, goes on where it was stopped, and its model registers."""

from __future__ import annotations

import json
from importlib.util import find_spec

import pytest

from SphericalRegLib.cli.main import main
from SphericalRegLib.networks.model import load_model
from SphericalRegLib.sample import sample_path

pytestmark = pytest.mark.skipif(find_spec("timm") is None, reason="timm comes with the extra 'learned'")

CT = str(sample_path("pelvis_lumbar_3mm.nii.gz"))
QUICK = [
    "--pixels=32",
    "--regressor_steps=4",
    "--regressor_batch=4",
    "--encoder_steps=2",
    "--encoder_batch=3",
    "--encoder.width=16",
    "--encoder.channels=4",
    "--every=2",
    "--device=cpu",
]


def test_a_model_is_trained_with_its_log_and_curves_and_the_same_command_ends_at_once(tmp_path, capsys):
    command = ["train", "--ct", CT, "--output", str(tmp_path / "m.safetensors"), *QUICK, "--held_out=1", "--json"]
    assert main(command) == 0
    lines = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
    assert [(line["phase"], line["step"]) for line in lines[:-1]] == [
        ("regressor", 2),
        ("regressor", 4),
        ("encoders", 2),
    ]
    assert lines[-1]["bytes"] == (tmp_path / "m.safetensors").stat().st_size
    assert lines[-1]["regressed_mtre_mm"] > 0
    folder = tmp_path / "m.safetensors.training"
    assert {file.name for file in folder.iterdir()} >= {"log.csv", "curves.png", "plan.json", "regressor.safetensors"}
    assert load_model(tmp_path / "m.safetensors").card.name == "m"
    assert main(command) == 0
    assert len(capsys.readouterr().out.splitlines()) == 1


def test_its_model_registers_an_x_ray_without_a_pose_and_another_ct_is_refused(tmp_path, capsys):
    model = str(tmp_path / "m.safetensors")
    assert main(["train", "--ct", CT, "--output", model, *QUICK, "--held_out=0", "--quiet"]) == 0
    xray = str(sample_path("pelvis_lumbar_3mm_ap.dcm"))
    register = ["register", "--ct", CT, "--xray", xray, "--model", model, "--device=cpu"]
    # four steps teach nothing, so that the verdict may be either; but it begins where the model says
    assert main([*register, "--output", str(tmp_path / "out")]) in (0, 3)
    told = json.loads((tmp_path / "out" / "result.json").read_text())
    assert "the model 'm'" in json.dumps(told["settings"])
    assert main([*register, "--downsample=40", "--output", str(tmp_path / "other")]) == 2
    assert "trained for another CT" in capsys.readouterr().err
    assert not (tmp_path / "other").exists()


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (["--output=m.pt"], "must end with .safetensors"),
        (["--output=m.safetensors", "--every=0"], "every=0"),
        (["--output=m.safetensors", "--regressor_steps=-1"], "steps is -1"),
        (["--output=m.safetensors", "--regressor_batch=0"], "batch is 0"),
        (["--output=m.safetensors", "--learning_rate=0"], "learning_rate is 0"),
        (["--output=m.safetensors", "--regressor_steps=0", "--encoder_steps=0"], "nothing to train"),
        (["--output=m.safetensors", "--backbone=vgg"], "no backbone 'vgg'"),
        (["--output=m.safetensors", "--start=none.safetensors"], "There is no file none.safetensors (--start)"),
    ],
)
def test_options_that_cannot_be_are_refused_by_name(options, message, tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    assert main(["train", "--ct", CT, *options, "--device=cpu"]) == 2
    assert message in capsys.readouterr().err
    assert not list(tmp_path.rglob("*.safetensors"))
