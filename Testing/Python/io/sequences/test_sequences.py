"""Sequences from folders, films, DICOM and single pictures: frames by number, read when asked for."""

from __future__ import annotations

import cv2
import numpy as np
import pytest
import torch

from SphericalRegLib.errors import GeometryError, InputError
from SphericalRegLib.geometry.carm import pose_from_angles
from SphericalRegLib.geometry.view import View
from SphericalRegLib.io.sequences.dicom_frames import DicomFrames
from SphericalRegLib.io.sequences.numbered_images import NumberedImages
from SphericalRegLib.io.sequences.open_sequence import open_sequence
from SphericalRegLib.io.sequences.video import VideoFrames
from Testing.Python.io.builders import write_xa_frames

VIEW = View.from_spacing(24, 32, 1000.0, (1.5, 1.25), name="left")


def picture(number: int) -> np.ndarray:
    rows, columns = np.indices((24, 32))
    return (20 + 3 * rows + 2 * columns + 5 * number).astype(np.uint8)


@pytest.fixture
def folder(tmp_path):
    for number in (3, 4, 10):
        cv2.imwrite(str(tmp_path / f"run2_cam01_{number:04d}.png"), picture(number))
    (tmp_path / "notes.txt").write_text("no picture")
    return tmp_path


def film(path, codec="MJPG", count=5):
    writer = cv2.VideoWriter(str(path), cv2.VideoWriter.fourcc(*codec), 10.0, (32, 24), isColor=True)
    for number in range(count):
        writer.write(np.repeat(picture(number)[..., None], 3, -1))
    writer.release()
    return path


class TestFolders:
    def test_the_last_number_in_a_name_is_the_frame(self, folder):
        source = NumberedImages(folder, VIEW, mask="none")
        assert list(source.numbers) == [3, 4, 10]
        np.testing.assert_array_equal(source.read(10).image, picture(10))
        assert source.read(4).view is VIEW

    def test_two_pictures_of_one_number_are_refused(self, folder):
        cv2.imwrite(str(folder / "other_3.png"), picture(0))
        with pytest.raises(InputError, match="are both frame 3"):
            NumberedImages(folder, VIEW)

    def test_a_picture_without_a_number_is_refused(self, folder):
        cv2.imwrite(str(folder / "overview.png"), picture(0))
        with pytest.raises(InputError, match=r"overview\.png has no number"):
            NumberedImages(folder, VIEW)

    def test_an_empty_folder_is_refused(self, tmp_path):
        with pytest.raises(InputError, match="holds no picture"):
            NumberedImages(tmp_path, VIEW)

    def test_a_picture_of_another_size_than_its_view_is_refused_when_it_is_read(self, folder):
        cv2.imwrite(str(folder / "run2_cam01_0005.png"), np.zeros((20, 20), np.uint8))
        source = NumberedImages(folder, VIEW)
        with pytest.raises(GeometryError, match="20 rows"):
            source.read(5)


class TestFilms:
    def test_frames_of_a_film_are_its_pictures(self, tmp_path):
        source = VideoFrames(film(tmp_path / "a.avi"), VIEW, mask="none")
        assert list(source.numbers) == [0, 1, 2, 3, 4]
        for number in (3, 0, 4):
            assert np.abs(source.read(number).image - picture(number)).max() < 4

    def test_bone_that_is_dark_is_turned_over(self, tmp_path):
        source = VideoFrames(film(tmp_path / "a.avi"), VIEW, intensity="inverted", mask="none")
        assert source.read(0).image[0, 0] > source.read(0).image[-1, -1]

    def test_a_film_of_another_size_and_a_file_that_is_none_are_refused(self, tmp_path):
        with pytest.raises(GeometryError, match="24 rows and 32 columns"):
            VideoFrames(film(tmp_path / "a.avi"), View.from_spacing(20, 20, 1000.0, (1.0, 1.0)))
        (tmp_path / "b.avi").write_bytes(b"nothing of that kind")
        with pytest.raises(InputError, match="no film that OpenCV decodes"):
            VideoFrames(tmp_path / "b.avi", VIEW)

    def test_a_film_in_color_is_refused(self, tmp_path):
        writer = cv2.VideoWriter(str(tmp_path / "c.avi"), cv2.VideoWriter.fourcc(*"MJPG"), 10.0, (32, 24))
        colored = np.zeros((24, 32, 3), np.uint8)
        colored[..., 2] = 200
        writer.write(colored)
        writer.release()
        with pytest.raises(InputError, match="in color"):
            VideoFrames(tmp_path / "c.avi", VIEW).read(0)


class TestDicom:
    def test_a_c_arm_that_moves_keeps_the_rig_of_its_first_frame(self, tmp_path):
        angles = [(0.0, 0.0), (12.0, 5.0), (30.0, -4.0)]
        path = write_xa_frames(tmp_path / "run.dcm", angles, sad=700.0)
        source = DicomFrames(path, reading={"mask": "none"})
        assert list(source.numbers) == [0, 1, 2]
        isocenter = torch.tensor([4.0, -7.0, 11.0]).double()
        rest = pose_from_angles(*angles[0], 700.0, isocenter)
        for number, pair in enumerate(angles):
            xray = source.read(number)
            assert xray.start_angles == pytest.approx(pair)
            torch.testing.assert_close(
                xray.view.camera_from_world(rest), pose_from_angles(*pair, 700.0, isocenter), atol=1e-9, rtol=0
            )

    def test_a_c_arm_that_moves_about_an_unknown_point_is_refused(self, tmp_path):
        path = write_xa_frames(tmp_path / "run.dcm", [(0.0, 0.0), (12.0, 5.0)], sad=None)
        with pytest.raises(GeometryError, match=r"moves by 12\.0°"):
            DicomFrames(path, reading={"mask": "none"}).read(1)

    def test_a_view_of_ones_own_takes_the_place_of_the_headers(self, tmp_path):
        path = write_xa_frames(tmp_path / "run.dcm", [(0.0, 0.0), (12.0, 5.0)], sad=700.0)
        view = View.from_spacing(24, 32, 900.0, (1.0, 1.0), name="mine")
        assert DicomFrames(path, view, {"mask": "none"}).read(1).view is view


class TestOpening:
    def test_views_of_any_kind_are_one_sequence_of_all_their_frames(self, folder, tmp_path):
        both = open_sequence([folder, film(tmp_path / "a.avi", count=5)], [VIEW, VIEW], {"mask": "none"})
        assert both.frames == (0, 1, 2, 3, 4, 10)
        assert [len(both.xrays(frame)) for frame in (0, 3, 10)] == [1, 2, 1]
        assert both.between(1, 4, 2).frames == (1, 3)

    def test_one_picture_is_frame_0(self, folder):
        sequence = open_sequence([folder / "run2_cam01_0003.png"], [VIEW], {"mask": "none"})
        assert sequence.frames == (0,)
        np.testing.assert_array_equal(sequence.xrays(0)[0].image, picture(3))

    @pytest.mark.parametrize(
        ("change", "words"),
        [
            (lambda s: s.between(50, 60), "no frame from 50 to 60"),
            (lambda s: s.between(0, 3, 0), "step between frames is 0"),
        ],
    )
    def test_frames_that_are_not_there_are_refused(self, folder, change, words):
        with pytest.raises(InputError, match=words):
            change(open_sequence([folder], [VIEW]))

    def test_what_is_missing_is_named(self, folder, tmp_path):
        with pytest.raises(InputError, match="1 views for 2 sequences"):
            open_sequence([folder, folder], [VIEW])
        with pytest.raises(InputError, match="how their views lie"):
            open_sequence([folder, folder])
        with pytest.raises(InputError, match="does not tell its geometry"):
            open_sequence([folder])
        with pytest.raises(InputError, match=r"notes\.txt is no sequence"):
            open_sequence([folder / "notes.txt"], [VIEW])
