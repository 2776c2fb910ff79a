"""Autoscoper's text files and our JSON: round trips to the last digit, and errors that say what is wrong."""

import json
import math
import os
from dataclasses import replace
from pathlib import Path

import pytest
import torch
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from SphericalRegLib.errors import GeometryError, InputError
from SphericalRegLib.geometry import se3
from SphericalRegLib.geometry.krt import axes_crossing
from SphericalRegLib.geometry.view import View
from SphericalRegLib.io.calibration_files import read_autoscoper, read_json, write_autoscoper, write_json

AUTOSCOPER = """image size
1760,1700

camera matrix
6167.35,0,803.74
0,6165.63,865.69
0,0,1

rotation
0,0,-1
0,1,0
1,0,0

translation
-16.5
-77.25
900
"""

numbers = st.floats(-500, 500)
views = st.builds(
    lambda f, mirrored, u, v, twist, size, sad, name: View(
        torch.tensor([[-f if mirrored else f, 0.5, u], [0.0, f * 1.01, v], [0.0, 0.0, 1.0]], dtype=torch.float64),
        *size,
        1234.5678,
        se3.exp(torch.tensor(twist, dtype=torch.float64) * torch.tensor([0.006] * 3 + [2.0] * 3)),
        sad,
        name,
    ),
    st.floats(100, 1e5),
    st.booleans(),
    numbers,
    numbers,
    st.lists(numbers, min_size=6, max_size=6),
    st.tuples(st.integers(1, 5000), st.integers(1, 5000)),
    st.none() | st.floats(1, 1200),
    st.text(max_size=20),
)
same_folder = settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])


@pytest.fixture
def an_autoscoper_file(tmp_path: Path) -> Path:
    path = tmp_path / "cam01.txt"
    path.write_text(AUTOSCOPER)
    return path


def test_an_autoscoper_file_is_opencvs_projection_with_width_before_height(an_autoscoper_file):
    view = read_autoscoper(an_autoscoper_file, sdd=1300.0)
    assert (view.width, view.height, view.name, view.sdd) == (1760, 1700, "cam01", 1300.0)
    point = torch.tensor([[10.0, 20.0, 30.0]], dtype=torch.float64)
    x, y, z = -30 - 16.5, 20 - 77.25, 10 + 900
    pixel = view.project(point, torch.eye(4, dtype=torch.float64))[0].tolist()
    assert pixel == pytest.approx([6167.35 * x / z + 803.74, 6165.63 * y / z + 865.69])


def test_windows_line_ends_and_missing_blank_lines_do_not_matter(an_autoscoper_file):
    expected = read_autoscoper(an_autoscoper_file)
    an_autoscoper_file.write_bytes(AUTOSCOPER.replace("\n\n", "\n").replace("\n", "\r\n").encode())
    assert torch.equal(read_autoscoper(an_autoscoper_file).camera_from_rig, expected.camera_from_rig)


def test_spaces_tabs_exponents_and_a_comma_at_the_end_do_not_matter(an_autoscoper_file):
    expected = read_autoscoper(an_autoscoper_file)
    text = AUTOSCOPER.replace("6167.35,0,803.74", "6.16735e3,\t0 , +803.74,").replace("0,0,-1", "0\t0 -1.")
    an_autoscoper_file.write_text("\ufeff" + text.replace("image size", "Image Size ").replace("900", "9E2"), "utf-8")
    found = read_autoscoper(an_autoscoper_file)
    assert torch.equal(found.camera_from_rig, expected.camera_from_rig)
    assert torch.equal(found.intrinsics, expected.intrinsics)


def test_without_a_distance_the_detector_is_nominally_half_as_far_again_as_the_origin(an_autoscoper_file):
    assert read_autoscoper(an_autoscoper_file).sdd == pytest.approx(1.5 * math.dist((0, 0, 0), (16.5, 77.25, 900)))


def test_a_rig_in_the_source_needs_a_distance(tmp_path, an_autoscoper_file):
    view = read_autoscoper(an_autoscoper_file, sdd=1300.0)
    centered = replace(view, camera_from_rig=torch.eye(4, dtype=torch.float64))
    write_autoscoper(tmp_path / "centered.txt", centered)
    with pytest.raises(GeometryError, match=r"origin lies in the X-ray source.*give the source-to-detector distance"):
        read_autoscoper(tmp_path / "centered.txt")
    assert read_autoscoper(tmp_path / "centered.txt", sdd=1300.0).sdd == 1300.0


def test_centimeters_can_be_read(an_autoscoper_file):
    view = read_autoscoper(an_autoscoper_file, mm_per_unit=10.0)
    assert view.camera_from_rig[2, 3] == 9000


@same_folder
@given(views)
def test_views_survive_autoscopers_format(tmp_path, view):
    write_autoscoper(tmp_path / "camera.txt", view)
    again = read_autoscoper(tmp_path / "camera.txt", sdd=view.sdd)
    assert (again.height, again.width) == (view.height, view.width)
    assert torch.equal(again.intrinsics, view.intrinsics)
    assert torch.allclose(again.camera_from_rig, view.camera_from_rig, rtol=0, atol=1e-12)


@pytest.mark.parametrize(
    ("old", "new", "words"),
    [
        ("image size\n1760,1700", "1,2,3", "not a MayaCam 2 file.*XMALab"),
        ("camera matrix\n", "", "neither finite numbers|lines of"),
        ("0,6165.63,865.69\n", "", "'camera matrix' must have 3 lines of 3"),
        ("900", "nan", "finite"),
        ("900", "1e400", "finite"),
        ("900", "9_00", "'9_00' is neither finite numbers nor a heading"),
        ("900", "nine hundred", "'nine hundred' is neither finite numbers nor a heading"),
        ("0,6165.63,865.69", "0,,6165.63,865.69", "'0,,6165.63,865.69' is neither finite numbers"),
        ("0,6165.63,865.69", "0;6165.63;865.69", "'0;6165.63;865.69' is neither finite numbers"),
        ("1760,1700", "1760.5,1700", "'image size' must be a whole number of pixels from 1 to 100000, not 1760.5"),
        ("1760,1700", "1760,1e9", "from 1 to 100000, not 1000000000"),
        ("\ntranslation\n", "\nrotation\n", "the heading 'rotation' twice"),
        ("6167.35,0,803.74", "6167.35,0,1e999", "finite"),
        ("6167.35,0,803.74\n0,6165.63", "1,1,803.74\n1,1", "onto one line of pixels"),
        (AUTOSCOPER, "1,2,3\n" * 5, "one of MayaCam 1 .*MayaCam 2"),
        (AUTOSCOPER, "#Insight Transform File V1.0\n", "an ITK transform, which is a pose"),
        (AUTOSCOPER, " \n", "not a MayaCam 2 file"),
        ("1760,1700", "1760", "'image size' must have 1 lines of 2"),
        ("1,0,0\n", "1,0,0.5\n", "not a rotation"),
    ],
)
def test_a_damaged_autoscoper_file_is_refused_by_what_is_wrong(an_autoscoper_file, old, new, words):
    an_autoscoper_file.write_text(AUTOSCOPER.replace(old, new))
    with pytest.raises(GeometryError, match=words):
        read_autoscoper(an_autoscoper_file)


@same_folder
@given(st.lists(views, min_size=1, max_size=3), st.none() | st.lists(numbers, min_size=6, max_size=6))
def test_views_and_pose_survive_our_json_to_the_last_digit(tmp_path, some_views, twist):
    pose = None if twist is None else se3.exp(torch.tensor(twist, dtype=torch.float64) * 0.006)
    path = tmp_path / "geometry.json"
    write_json(path, some_views, pose)
    again = read_json(path)
    assert len(again.views) == len(some_views)
    for found, view in zip(again.views, some_views, strict=True):
        assert torch.equal(found.intrinsics, view.intrinsics)
        assert torch.equal(found.camera_from_rig, view.camera_from_rig)
        assert (found.height, found.width, found.sdd, found.sad, found.name) == (
            view.height, view.width, view.sdd, view.sad, view.name,
        )  # fmt: skip
    assert (again.pose is None) == (pose is None)
    if pose is not None:
        assert torch.equal(again.pose, pose)
    assert not [file.name for file in tmp_path.iterdir() if file.name.startswith(".")]


def written(tmp_path: Path) -> tuple[Path, dict]:
    path = tmp_path / "geometry.json"
    write_json(path, [View.from_spacing(10, 20, 1000.0, (0.5, 0.5))], torch.eye(4))
    return path, json.loads(path.read_text())


def test_units_and_version_stand_in_the_json(tmp_path):
    _, content = written(tmp_path)
    assert content["schema_version"] == 1
    assert {"intrinsics_px", "source_to_detector_mm", "camera_from_rig_mm"} <= set(content["views"][0])
    assert "rig_from_world_ras_mm" in content


def test_what_is_optional_may_be_left_out(tmp_path):
    path, content = written(tmp_path)
    del content["rig_from_world_ras_mm"]
    for key in ("name", "source_to_isocenter_mm", "camera_from_rig_mm"):
        del content["views"][0][key]
    path.write_text(json.dumps(content))
    found = read_json(path)
    assert found.pose is None
    assert torch.equal(found.views[0].camera_from_rig, torch.eye(4, dtype=torch.float64))


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (lambda c: c.update(schema_version=2), "schema_version 2; this program reads 1"),
        (lambda c: c.pop("schema_version"), "schema_version None"),
        (lambda c: c.update(format="other"), "not a geometry file of ours"),
        (lambda c: c.pop("views"), "lacks 'views'"),
        (lambda c: c.update(views=[]), "one view or more"),
        (lambda c: c.update(extra=1), "unknown keys 'extra'"),
        (lambda c: c["views"].append(3), "view 1 is not an object"),
        (lambda c: c["views"][0].pop("source_to_detector_mm"), "view 0 lacks 'source_to_detector_mm'"),
        (lambda c: c["views"][0].update(source_to_detector=1), "unknown keys 'source_to_detector'"),
        (lambda c: c["views"][0].update(rows=10.5), "'rows' must be a whole number, not 10.5"),
        (
            lambda c: c["views"][0].update(intrinsics_px=[[1, 2], [3, 4]]),
            "'intrinsics_px' must be 3 × 3 finite numbers",
        ),
        (lambda c: c["views"][0].update(intrinsics_px="K"), "'intrinsics_px' must be 3 × 3 finite numbers"),
        (lambda c: c["views"][0].update(source_to_detector_mm=float("nan")), "finite"),
        (lambda c: c["views"][0].update(source_to_detector_mm=True), "must be a finite number, not True"),
        (lambda c: c["views"][0].update(source_to_detector_mm=10**400), "must be a finite number, not 1000"),
        (lambda c: c["views"][0].update(source_to_detector_mm=[1000.0]), "must be a finite number"),
        (lambda c: c["views"][0]["intrinsics_px"][0].append(1), "must be 3 × 3 finite numbers"),
        (lambda c: c["views"][0]["intrinsics_px"].__setitem__(0, [[1, 2, 3]]), "must be 3 × 3 finite numbers"),
        (lambda c: c["views"][0].update(rows=True), "'rows' must be a whole number"),
        (lambda c: c["views"][0].update(rows=10**30), "'rows' must be a whole number of pixels from 1 to 100000"),
        (lambda c: c["views"][0].update(name=["AP"]), "'name' must be a text"),
        (lambda c: c.update(schema_version=True), "schema_version True"),
        (lambda c: c["views"][0].update(source_to_detector_mm=-1), "view 0: The source-to-detector distance is -1"),
        (lambda c: c.update(rig_from_world_ras_mm=[[2, 0, 0, 0], [0, 1, 0, 0], [0, 0, 1, 0], [0, 0, 0, 1]]), "rigid"),
    ],
)
def test_a_wrong_json_is_refused_by_what_is_wrong(tmp_path, change, words):
    path, content = written(tmp_path)
    change(content)
    path.write_text(json.dumps(content))
    with pytest.raises(GeometryError, match=words):
        read_json(path)


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("", "is empty"),
        ("{", "not a JSON file"),
        ("[1, 2]", "not a geometry file"),
        ('"text"', "not a geometry file"),
        ("[" * 100_000, "nested too deeply"),
        ('{"format": 1, "format": 2}', "holds 'format' twice"),
    ],
)
def test_text_that_is_not_ours_is_refused(tmp_path, text, words):
    path = tmp_path / "geometry.json"
    path.write_text(text)
    with pytest.raises(InputError, match=rf"geometry\.json.*{words}"):
        read_json(path)


def test_a_number_that_is_too_large_for_a_float_is_refused(tmp_path):
    path, content = written(tmp_path)
    path.write_text(json.dumps(content).replace("1000.0", "1e400"))
    with pytest.raises(GeometryError, match=r"must be (a|3 × 3) finite number.*inf"):
        read_json(path)


@pytest.mark.parametrize("read", [read_json, read_autoscoper])
def test_a_file_that_is_missing_or_binary_is_refused_with_its_name(tmp_path, read):
    with pytest.raises(InputError, match=r"There is no file .*absent\.txt"):
        read(tmp_path / "absent.txt")
    binary = tmp_path / "binary.txt"
    binary.write_bytes(bytes(range(256)))
    with pytest.raises(InputError, match=r"binary\.txt is not UTF-8 text"):
        read(binary)


def test_an_unwritable_place_is_refused_and_nothing_half_written_stays(tmp_path):
    view = View.from_spacing(10, 20, 1000.0, (0.5, 0.5))
    for write in (lambda p: write_json(p, [view]), lambda p: write_autoscoper(p, view)):
        with pytest.raises(InputError, match=r"Cannot write .*no such folder"):
            write(tmp_path / "no such folder" / "file")
    for name in ("a\0b", "/", ""):
        with pytest.raises(InputError, match=r"name another|a folder, where a file"):
            write_json(name, [view])
    folder = tmp_path / "folder"
    folder.mkdir()
    with pytest.raises(InputError, match="is a folder, where a file is expected"):
        write_json(folder, [view])
    assert [p.name for p in tmp_path.iterdir()] == ["folder"]


def test_nothing_and_nonsense_are_not_written(tmp_path):
    view = View.from_spacing(10, 20, 1000.0, (0.5, 0.5))
    with pytest.raises(GeometryError, match="no view"):
        write_json(tmp_path / "a.json", [])
    with pytest.raises(GeometryError, match="rigid"):
        write_json(tmp_path / "a.json", [view], 2 * torch.eye(4))
    assert not (tmp_path / "a.json").exists()


# Six tantalum beads in the forearm, centers in pixels as found in both images of the wrist sample.
BEADS_1 = [(967.4, 1447.0), (978.0, 1448.3), (970.9, 1487.5), (975.7, 1487.1), (969.9, 1513.0), (976.4, 1511.8)]
BEADS_2 = [(508.0, 1437.2), (526.8, 1444.1), (509.4, 1479.0), (526.5, 1482.9), (506.4, 1503.9), (532.0, 1509.7)]


def test_both_wrist_cameras_see_the_same_beads_where_the_calibration_says():
    root = os.environ.get("SPHERICALREG_SHARED_DATA", Path(__file__).resolve().parents[3].parent / "shared" / "data")
    paths = [Path(root) / "wrist_biplane" / f"xr_calib_wrist_cam0{n}.txt" for n in (1, 2)]
    if not all(path.exists() for path in paths):
        pytest.skip(f"{paths[0].parent} is not here")
    first, second = (read_autoscoper(path) for path in paths)
    point, distance = axes_crossing([first, second])
    assert distance < 2
    assert point.tolist() == pytest.approx([115, 73, 116], abs=1)
    relative = second.camera_from_rig @ se3.inverse(first.camera_from_rig)
    essential = se3.hat(relative[:3, 3]) @ relative[:3, :3]
    fundamental = torch.linalg.inv(second.intrinsics).T @ essential @ torch.linalg.inv(first.intrinsics)
    for a, b in zip(BEADS_1, BEADS_2, strict=True):
        line = fundamental @ torch.tensor([*a, 1.0], dtype=torch.float64)
        off = torch.dot(line, torch.tensor([*b, 1.0], dtype=torch.float64)) / line[:2].norm()
        assert abs(off) < 0.5  # pixels; with the images upside down it is 16 to 26
