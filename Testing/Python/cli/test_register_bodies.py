"""``sphericalreg register --bodies``: several bones of one CT at once."""

import json

import pytest
import torch

from SphericalRegLib.cli.commands.register_bodies import exit_code
from SphericalRegLib.cli.main import main
from SphericalRegLib.geometry import se3
from SphericalRegLib.io.pose_file import read_pose
from SphericalRegLib.registration.result import Verdict
from SphericalRegLib.sample import sample_path

LABELS = ["--labels", str(sample_path("pelvis_lumbar_3mm_labels.nii.gz"))]
LABELS += ["--label_names", str(sample_path("pelvis_lumbar_3mm_labels.json"))]


def test_bones_that_have_not_moved_end_where_the_whole_ct_is(case, tmp_path):
    bones = ["--bodies", "spine=vertebrae_L3+vertebrae_L4", "hip_left"]
    options = [*LABELS, *bones, "--start_pose", case.truth, "-o", str(tmp_path / "out"), "--quiet", "true"]
    assert main(["register", case.ct, case.xray, *options]) in (0, 3, 4)
    written = {path.name for path in (tmp_path / "out").iterdir()}
    assert written == {"pose_spine.tfm", "pose_hip_left.tfm", "pose_rest.tfm", "result.json", "report.html"}
    truth = read_pose(case.truth)
    content = json.loads((tmp_path / "out" / "result.json").read_text())
    assert [body["name"] for body in content["bodies"]] == ["spine", "hip_left", "rest"]
    for body, result in zip(content["bodies"], content["frames"][0]["bodies"], strict=True):
        center = torch.tensor(body["isocenter_world_ras_mm"]).double()
        pose = torch.tensor(result["pose"]).double()
        torch.testing.assert_close(read_pose(tmp_path / "out" / f"pose_{body['name']}.tfm"), pose, atol=1e-4, rtol=0)
        off = se3.difference_about(pose, truth, center)
        # one view of 128 pixels: the plane is what it knows
        assert float(off[3:5].norm()) < 1.0, body["name"]


@pytest.mark.parametrize(
    ("more", "words"),
    [
        (["--bones", "hip_left"], "--bones is for one body"),
        (["--similarity", "ncc"], "--similarity is for one body"),
        (["--preset", "AP"], "start was given by --start_pose and --preset"),
    ],
)
def test_options_of_one_body_are_refused(case, tmp_path, capsys, more, words):
    options = [*LABELS, "--bodies", "hip_left", "--start_pose", case.truth, "-o", str(tmp_path / "out"), *more]
    assert main(["register", case.ct, case.xray, *options]) == 2
    assert words in " ".join(capsys.readouterr().err.split())


def test_of_several_verdicts_the_exit_code_is_the_worst():
    accepted, plane, rejected = (
        Verdict(True, ()),
        Verdict(False, ("depth",), plane_only=True),
        Verdict(False, ("plane",)),
    )
    assert [exit_code(some) for some in ([accepted], [accepted, plane], [accepted, plane, rejected])] == [0, 4, 3]
