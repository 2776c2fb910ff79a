"""A folder of one's own: the documented layout, and what is told of one that is not it."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
import torch

from SphericalRegLib.cli.main import main
from SphericalRegLib.errors import InputError
from SphericalRegLib.evaluation.datasets.folder import Folder
from SphericalRegLib.evaluation.datasets.offset import mean_signed_offset, signed_offset
from SphericalRegLib.geometry import se3
from SphericalRegLib.io.calibration_files import write_json
from Testing.Python.evaluation.datasets import twins


def test_poses_points_images_and_labels_are_those_of_the_files(tmp_path: Path) -> None:
    truths = twins.write_folder(tmp_path)
    subject = Folder(str(tmp_path)).subject("anna")
    assert len(subject.targets) == 5
    for frame, truth in zip(subject.frames, truths, strict=True):
        assert torch.allclose(frame.pose, truth.pose)
        assert np.allclose(frame.xray().image, truth.shown.numpy())
    ct = subject.ct()
    assert ct.label_names == {1: "marker"}
    assert np.allclose(ct.world_from_voxel, twins.phantom()[1], atol=1e-5)


def test_bones_of_the_settings_are_what_is_registered(tmp_path: Path) -> None:
    twins.write_folder(tmp_path)
    (tmp_path / "dataset.yaml").write_text("bones: [1]\nlicence: ours\n")
    dataset = Folder(str(tmp_path))
    assert dataset.notes == ["licence: ours"]
    subject = dataset.subject("anna")
    whole, bones = subject.volume(), subject.volume(bones=True)
    assert float(bones.density.sum()) < 0.2 * float(whole.density.sum())


def test_a_frame_without_landmarks_is_not_called_checked(tmp_path: Path) -> None:
    twins.write_folder(tmp_path)
    (tmp_path / "anna/xrays/x1.csv").unlink()
    subject = Folder(str(tmp_path)).subject("anna")
    assert subject.frames[0].notes == ()
    assert subject.frames[1].notes == ("no landmarks: its pose could not be checked",)


class TestRefusals:
    def test_a_frame_without_its_geometry(self, tmp_path: Path) -> None:
        twins.write_folder(tmp_path)
        (tmp_path / "anna/xrays/x1.json").unlink()
        with pytest.raises(InputError, match=r"x1.nrrd has no x1.json beside it"):
            Folder(str(tmp_path)).subject("anna")

    def test_a_geometry_without_a_pose(self, tmp_path: Path) -> None:
        truths = twins.write_folder(tmp_path)
        write_json(tmp_path / "anna/xrays/x1.json", [truths[1].view])
        with pytest.raises(InputError, match="holds 1 views and no pose"):
            Folder(str(tmp_path)).subject("anna")

    def test_a_pose_of_another_frame(self, tmp_path: Path) -> None:
        truths = twins.write_folder(tmp_path)
        write_json(tmp_path / "anna/xrays/x1.json", [truths[1].view], truths[0].pose)
        with pytest.raises(InputError, match=r"x1.csv: the landmark .* pixels from its mark"):
            Folder(str(tmp_path)).subject("anna")

    def test_a_landmark_in_two_places(self, tmp_path: Path) -> None:
        twins.write_folder(tmp_path)
        truth, (_, matrix) = twins.truth(1, mirrored=False), twins.phantom()
        point = twins.landmarks(matrix)["FH-l"] + torch.tensor([1.0, 0.0, 0.0])
        u, v = truth.view.project(point[None], truth.pose)[0].tolist()
        cells = ",".join(map(repr, [*point.tolist(), u, v]))
        (tmp_path / "anna/xrays/x1.csv").write_text(f"name,x,y,z,u,v\nFH-l,{cells}\n")
        with pytest.raises(InputError, match="a landmark has one place in a patient"):
            Folder(str(tmp_path)).subject("anna")

    @pytest.mark.parametrize(
        ("text", "match"),
        [
            ("tone: dark\n", "tone is 'dark'"),
            ("bones: sacrum\n", "bones is 'sacrum'"),
            ("color: red\n", "has the keys color"),
            ("- a\n", "is no table"),
        ],
    )
    def test_settings_that_are_none(self, tmp_path: Path, text: str, match: str) -> None:
        twins.write_folder(tmp_path)
        (tmp_path / "dataset.yaml").write_text(text)
        with pytest.raises(InputError, match=match):
            Folder(str(tmp_path))

    def test_a_folder_without_a_patient(self, tmp_path: Path) -> None:
        with pytest.raises(InputError, match="holds no patient"):
            Folder(str(tmp_path))


class TestCommand:
    def test_tells_what_is_there(self, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
        twins.write_folder(tmp_path)
        assert main(["dataset", "check", str(tmp_path)]) == 0
        told = capsys.readouterr().out
        assert "anna: 2 X-rays, landmarks of 2 within 0.00 px of their marks, CT 24 × 24 × 24, 1 labels" in told
        assert "all of it can be used" in told

    def test_one_patient_that_is_wrong_does_not_hide_the_others(
        self, tmp_path: Path, capsys: pytest.CaptureFixture[str]
    ) -> None:
        truths = twins.write_folder(tmp_path, "anna")
        twins.write_folder(tmp_path, "bert")
        write_json(tmp_path / "anna/xrays/x1.json", [truths[1].view], truths[0].pose)
        assert main(["dataset", "check", str(tmp_path), "--json", "-q"]) == 2
        anna, bert = map(json.loads, capsys.readouterr().out.splitlines())
        assert "pixels from its mark" in anna["problems"][0]
        assert bert["problems"] == []
        assert bert["checked"] == 2

    def test_half_voxels_are_of_deepfluoro_alone(self, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
        twins.write_folder(tmp_path)
        assert main(["dataset", "check", str(tmp_path), "--half_voxel"]) == 2
        assert "is about DeepFluoro's ground truth" in capsys.readouterr().err


def test_an_offset_that_all_registrations_share_is_their_mean_and_noise_is_not() -> None:
    truth = twins.truth(0).pose
    center = torch.tensor([10.0, -20.0, 5.0], dtype=torch.float64)
    shift = torch.eye(4, dtype=torch.float64)
    shift[:3, 3] = torch.tensor([-0.5, -0.5, 0.5])
    rng = torch.Generator().manual_seed(0)
    noise = 0.2 * torch.randn(50, 6, generator=rng, dtype=torch.float64) * torch.tensor([0.01] * 3 + [1.0] * 3)
    poses = se3.about(noise, (truth @ shift).expand(50, 4, 4), center)
    found = mean_signed_offset(signed_offset(poses, truth.expand(50, 4, 4), center))
    for mean, deviation, expected in zip(found.mean, found.deviation, (-0.5, -0.5, 0.5), strict=True):
        assert abs(mean - expected) < 4 * deviation < 0.2
    assert found.words.startswith("mean signed offset of 50 registrations (right, anterior, superior): -0.")
