"""DeepFluoro from a twin of its file: poses, marks and pixels to rounding, and refusals that name the place."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch

from SphericalRegLib.errors import GeometryError, InputError
from SphericalRegLib.evaluation.datasets import Subject
from SphericalRegLib.evaluation.datasets.deepfluoro import DeepFluoro
from SphericalRegLib.evaluation.datasets.landmark_check import farthest_px
from SphericalRegLib.evaluation.datasets.table import kind_of
from SphericalRegLib.rendering import render
from Testing.Python.evaluation.datasets import twins

pytest.importorskip("h5py")

FRAME = "17-1882/projections/000"


def correlation(a: torch.Tensor, b: torch.Tensor) -> float:
    return float(torch.corrcoef(torch.stack([a.flatten().double(), b.flatten().double()]))[0, 1])


def drawn(subject: Subject, number: int, pose: torch.Tensor | None = None) -> torch.Tensor:
    frame = subject.frames[number]
    poses = (frame.pose if pose is None else pose)[None]
    return render(subject.volume(), frame.view, poses, samples=twins.SAMPLES)[0, 0]


class TestReading:
    def test_poses_views_and_marks_are_those_that_were_written(self, tmp_path: Path) -> None:
        truths = twins.write_deepfluoro(tmp_path / "twin.h5")
        subject = DeepFluoro(str(tmp_path / "twin.h5")).subject("17-1882")
        assert [frame.name for frame in subject.frames] == ["000", "001", "002"]
        for frame, truth in zip(subject.frames, truths, strict=True):
            assert torch.allclose(frame.pose, truth.pose, atol=1e-9)
            assert torch.allclose(frame.view.intrinsics, truth.view.intrinsics, atol=1e-9)
            assert torch.equal(frame.view.camera_from_rig, torch.eye(4, dtype=torch.float64))
            assert frame.view.sdd == pytest.approx(twins.SDD)
            assert frame.marks.keys() == truth.marks.keys()
            assert farthest_px(frame.view, frame.pose, subject.points, frame.marks)[0] < 1e-6

    def test_a_drr_at_the_truth_is_the_image_and_a_flipped_or_shifted_one_is_not(self, tmp_path: Path) -> None:
        twins.write_deepfluoro(tmp_path / "twin.h5")
        subject = DeepFluoro(str(tmp_path / "twin.h5")).subject("17-1882")
        for number, frame in enumerate(subject.frames):
            image, drr = torch.from_numpy(frame.xray().image), drawn(subject, number)
            right = correlation(drr, image)
            assert right > 0.999
            for wrong in (drr.flip(0), drr.flip(1), drr.flip(0, 1), 0.5 * (drr + drr.roll(1, 1))):
                assert correlation(wrong, image) < right - 1e-3

    def test_the_flagged_frame_is_turned_whether_or_not_its_marks_are_stored_turned(self, tmp_path: Path) -> None:
        for marks_turned in (False, True):
            path = tmp_path / f"{marks_turned}.h5"
            truths = twins.write_deepfluoro(path, marks_turned=marks_turned)
            frame = DeepFluoro(str(path)).subject("17-1882").frames[1]
            assert frame.flags == ("turned by 180° for display",)
            assert bool(frame.notes) == marks_turned
            for name, (u, v) in truths[1].marks.items():
                assert frame.marks[name] == pytest.approx((u, v), abs=1e-6)
            assert correlation(torch.from_numpy(frame.xray().image), truths[1].shown) > 0.999

    def test_the_ct_lies_where_the_file_says_with_its_labels(self, tmp_path: Path) -> None:
        twins.write_deepfluoro(tmp_path / "twin.h5")
        subject = DeepFluoro(str(tmp_path / "twin.h5")).subject("17-1882")
        hu, matrix = twins.phantom()
        ct = subject.ct()
        assert np.allclose(ct.world_from_voxel, matrix)
        assert np.array_equal(ct.hu, hu)
        assert ct.label_names == {1: "left hemipelvis"}
        assert np.array_equal(ct.labels, hu > 500)

    def test_half_a_voxel_moves_the_ct_by_half_a_millimeter_along_each_axis(self, tmp_path: Path) -> None:
        twins.write_deepfluoro(tmp_path / "twin.h5")
        stored, moved = (
            DeepFluoro(str(tmp_path / "twin.h5"), half_voxel=half).subject("17-1882") for half in (False, True)
        )
        for a, b in zip(stored.frames, moved.frames, strict=True):
            shift = torch.linalg.inv(a.pose) @ b.pose
            expected = torch.eye(4, dtype=torch.float64)
            # half a millimeter along left, posterior and superior
            expected[:3, 3] = torch.tensor([-0.5, -0.5, 0.5])
            assert torch.allclose(shift, expected, atol=1e-9)

    def test_pixels_are_read_when_they_are_asked_for(self, tmp_path: Path) -> None:
        path = tmp_path / "twin.h5"
        twins.write_deepfluoro(path)
        subject = DeepFluoro(str(path)).subject("17-1882")
        path.unlink()
        with pytest.raises(InputError, match=r"There is no file .*twin.h5"):
            subject.frames[0].xray()

    def test_its_file_is_recognized(self, tmp_path: Path) -> None:
        twins.write_deepfluoro(tmp_path / "twin.h5")
        assert kind_of(tmp_path / "twin.h5") == "deepfluoro"
        assert DeepFluoro(str(tmp_path / "twin.h5")).notes[0] == "images by specimen: 17-1882: 3"


class TestRefusals:
    def refused(self, tmp_path: Path, match: str, **changes: object) -> None:
        twins.write_deepfluoro(tmp_path / "wrong.h5", **changes)
        with pytest.raises(InputError, match=match):
            DeepFluoro(str(tmp_path / "wrong.h5")).subject("17-1882")

    def test_marks_two_pixels_off(self, tmp_path: Path) -> None:
        u, v = twins.truth(0).marks["FH-l"]
        self.refused(tmp_path, r"'FH-l' projects 2\.0 pixels", **{f"{FRAME}/gt-landmarks/FH-l": np.array([u + 2, v])})

    def test_a_pose_the_other_way_round(self, tmp_path: Path) -> None:
        path = tmp_path / "wrong.h5"
        twins.write_deepfluoro(path)
        import h5py

        with h5py.File(path, "a") as file:
            for number in file["17-1882/projections"]:
                place = f"17-1882/projections/{number}/gt-poses/cam-to-pelvis-vol"
                pose = file[place][()]
                twins.change(file, {place: np.linalg.inv(pose)})
        with pytest.raises(InputError, match=r"projections/000: the landmark .* from its mark"):
            DeepFluoro(str(path)).subject("17-1882")

    def test_an_image_stored_mirrored_is_named(self, tmp_path: Path) -> None:
        marks = {
            f"{FRAME}/gt-landmarks/{name}": np.array([twins.COLUMNS - 1 - u, v])
            for name, (u, v) in twins.truth(0).marks.items()
        }
        self.refused(tmp_path, "The marks would fit mirrored left to right", **marks)

    @pytest.mark.parametrize(
        ("place", "value", "match"),
        [
            ("proj-params/intrinsic", None, "no data 'proj-params/intrinsic'"),
            ("proj-params/intrinsic", np.zeros((3, 3)), "singular"),
            ("proj-params/extrinsic", np.eye(3), r"shape \(3, 3\), expected \(4, 4\)"),
            ("proj-params/num-rows", 31, "32 rows"),
            ("17-1882/vol-landmarks", None, "no group '17-1882/vol-landmarks'"),
            (f"{FRAME}/gt-poses/cam-to-pelvis-vol", np.full((4, 4), np.nan), "not finite"),
            (f"{FRAME}/gt-poses/cam-to-pelvis-vol", np.zeros((4, 4)), "singular"),
            (f"{FRAME}/gt-poses/cam-to-pelvis-vol", np.diag([1.0, 1, -1, 1]), "right-handed"),
            (f"{FRAME}/image/pixels", np.zeros((3, 32, 40)), "expected 2 dimensions"),
        ],
    )
    def test_what_is_missing_or_impossible(self, tmp_path: Path, place: str, value: object, match: str) -> None:
        self.refused(tmp_path, match, **{place: value})

    def test_a_truncated_file(self, tmp_path: Path) -> None:
        path = tmp_path / "twin.h5"
        twins.write_deepfluoro(path)
        path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])
        with pytest.raises(InputError, match="damaged or was not downloaded to its end"):
            DeepFluoro(str(path))

    def test_labels_of_another_grid(self, tmp_path: Path) -> None:
        twins.write_deepfluoro(tmp_path / "wrong.h5", **{"17-1882/vol-seg/image/spacing": np.array([1.0, 1.0, 1.0])})
        with pytest.raises(InputError, match="other voxels"):
            DeepFluoro(str(tmp_path / "wrong.h5")).subject("17-1882").ct()

    def test_a_specimen_that_there_is_not(self, tmp_path: Path) -> None:
        twins.write_deepfluoro(tmp_path / "twin.h5")
        with pytest.raises(InputError, match="no specimen 'x': it has 17-1882"):
            DeepFluoro(str(tmp_path / "twin.h5")).subject("x")

    def test_a_singular_camera_is_a_geometry_error(self, tmp_path: Path) -> None:
        twins.write_deepfluoro(tmp_path / "wrong.h5", **{"proj-params/intrinsic": np.zeros((3, 3))})
        with pytest.raises(GeometryError):
            DeepFluoro(str(tmp_path / "wrong.h5")).subject("17-1882")
