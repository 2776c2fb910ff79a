"""CTs from every format lie where they should, with the values they should."""

import gzip

import numpy as np
import pytest
import SimpleITK
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from scipy.spatial.transform import Rotation

from SphericalRegLib.errors import GeometryError, InputError
from SphericalRegLib.imaging.ct import CT
from SphericalRegLib.io.ct import read_ct
from SphericalRegLib.io.ct_file import write_ct
from Testing.Python.io import builders

FORMATS = ["ct.nrrd", "ct.nii", "ct.nii.gz", "ct.mha", "ct.mhd", "series", "one slice of a series"]


def written(tmp_path, name):
    grid = builders.oblique_grid()
    values = builders.blob(*grid)
    if name in ("series", "one slice of a series"):
        files = builders.write_series(tmp_path / "series", values, *grid)
        return (tmp_path / "series" if name == "series" else files[3]), values
    return builders.write_itk(tmp_path / name, values, *grid), values


@pytest.mark.parametrize("name", FORMATS)
def test_an_anatomical_point_lies_at_the_same_place_in_every_format(tmp_path, name):
    path, values = written(tmp_path, name)
    ct = read_ct(path)
    np.testing.assert_allclose(ct.hu, values, atol=0.51)
    np.testing.assert_allclose(builders.center_of_mass(ct.hu, ct.world_from_voxel), builders.LANDMARK, atol=0.02)
    np.testing.assert_allclose(ct.spacing, [0.7, 1.1, 2.3], rtol=1e-5)
    assert ct.hu.dtype == np.float32
    assert ct.world_from_voxel.dtype == np.float64


@settings(max_examples=15, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    extension=st.sampled_from(["nrrd", "nii.gz", "mha"]),
    angles=st.tuples(*[st.floats(-180, 180)] * 3),
    spacing=st.tuples(*[st.floats(0.2, 5)] * 3),
    origin=st.tuples(*[st.floats(-800, 800)] * 3),
    size=st.tuples(*[st.integers(2, 6)] * 3),
    seed=st.integers(0, 99),
)
def test_any_grid_comes_back(tmp_path, extension, angles, spacing, origin, size, seed):
    directions = Rotation.from_euler("xyz", angles, degrees=True).as_matrix()
    values = np.random.default_rng(seed).integers(-1024, 3000, size[::-1]).astype(np.int16)
    values.flat[0] = -1000
    ct = read_ct(builders.write_itk(tmp_path / f"ct.{extension}", values, spacing, directions, origin))
    np.testing.assert_array_equal(ct.hu, values)
    voxel = np.array([*(np.array(size) - 1), 1])
    lps = np.array(origin) + directions @ (np.array(spacing) * voxel[:3])
    np.testing.assert_allclose((ct.world_from_voxel @ voxel)[:3], lps * builders.LPS, atol=2e-3)


def test_padding_outside_the_scanners_circle_becomes_air(tmp_path):
    values = np.full((4, 5, 6), -3024, np.int16)
    values[1:3, 1:4, 1:5] = 40
    assert read_ct(builders.write_itk(tmp_path / "ct.nrrd", values)).hu.min() == -1024


def test_downsampling_keeps_the_center_of_mass_and_the_total(tmp_path):
    path, values = written(tmp_path, "ct.nrrd")
    ct = read_ct(path, downsample=(2, 3, 1))
    assert ct.hu.shape == (12, 7, 12)
    np.testing.assert_allclose(builders.center_of_mass(ct.hu, ct.world_from_voxel), builders.LANDMARK, atol=0.02)
    np.testing.assert_allclose((ct.hu + 1000).sum() * 2 * 3, (values.astype(float) + 1000).sum(), rtol=1e-5)


def test_a_tiff_stack_needs_its_voxel_size_and_its_axes(tmp_path):
    values = np.random.default_rng(0).integers(0, 4096, (4, 5, 6)).astype(np.uint16)
    path = builders.write_itk(tmp_path / "stack.tif", values)
    with pytest.raises(InputError, match="spacing="):
        read_ct(path)
    ct = read_ct(path, spacing=(0.4, 0.5, 0.6), rescale=(1, -1024))
    np.testing.assert_array_equal(ct.hu, values - 1024.0)
    np.testing.assert_allclose(ct.world_from_voxel, np.diag([-0.4, -0.5, 0.6, 1]), atol=1e-12)
    # pages that run to the feet: the last page is then the lowest, and the grid stays right-handed
    downward = read_ct(path, spacing=(0.4, 0.5, 0.6), rescale=(1, -1024), axes="LPI")
    np.testing.assert_array_equal(downward.hu, ct.hu[::-1])
    np.testing.assert_allclose(downward.world_from_voxel, ct.world_from_voxel, atol=1e-12)
    with pytest.raises(GeometryError, match="LLS"):
        read_ct(path, spacing=(0.4, 0.5, 0.6), axes="LLS")


def bad(tmp_path, values, name="ct.nrrd", **grid):
    return builders.write_itk(tmp_path / name, values, **grid)


GOOD = np.arange(-1000, -1000 + 4 * 5 * 6).reshape(4, 5, 6)


def test_nan_is_an_error_that_says_how_many_and_where(tmp_path):
    values = GOOD.astype(np.float32)
    values[2, 3, 1] = np.nan
    values[3, 0, 0] = np.inf
    with pytest.raises(InputError, match=r"2 values that are not finite, the first \(nan\) at voxel .* = \(1, 3, 2\)"):
        read_ct(bad(tmp_path, values))


@pytest.mark.parametrize("shape", [(5, 6), (1, 5, 6), (4, 1, 6)])
def test_an_image_that_is_no_volume_is_an_error(tmp_path, shape):
    with pytest.raises(InputError, match="three dimensions"):
        read_ct(bad(tmp_path, np.resize(GOOD, shape).astype(np.int16)))


@pytest.mark.parametrize("extension", ["nrrd", "mha", "nii.gz"])
def test_a_left_handed_index_is_turned_and_no_voxel_moves(tmp_path, extension):
    ct = read_ct(bad(tmp_path, GOOD.astype(np.int16), f"ct.{extension}", directions=np.diag([1, 1, -1])))
    np.testing.assert_array_equal(ct.hu, GOOD[::-1])
    np.testing.assert_allclose(
        ct.world_from_voxel, [[-1, 0, 0, 0], [0, -1, 0, 0], [0, 0, 1, -3], [0, 0, 0, 1]], atol=1e-6
    )


@pytest.mark.parametrize("extension", ["nrrd", "mha"])
def test_sheared_axes_are_an_error_that_names_the_angle(tmp_path, extension):
    sheared = np.array([[1, np.sin(0.1), 0], [0, np.cos(0.1), 0], [0, 0, 1]])
    with pytest.raises(GeometryError, match=r"axes i and j meet at 84\.2\d°"):
        read_ct(bad(tmp_path, GOOD.astype(np.int16), f"ct.{extension}", directions=sheared))


def test_a_sheared_nifti_is_an_error_although_itk_reads_it(tmp_path):
    path = bad(tmp_path, GOOD.astype(np.int16), "ct.nii")
    header = bytearray(path.read_bytes())
    header[284:288] = np.float32(0.3).tobytes()  # srow_x[1]
    path.write_bytes(header)
    with pytest.raises(GeometryError, match=r"cosine of 0\.28\d\d between the axes i and j"):
        read_ct(path)


@pytest.mark.parametrize("name", ["ct.nii", "ct.nii.gz", "ct.nrrd", "ct.mha"])
def test_a_truncated_file_is_an_error(tmp_path, name, capfd):
    path = bad(tmp_path, np.random.default_rng(0).integers(-1000, 1000, (9, 9, 9)).astype(np.int16), name)
    read_ct(path)
    path.write_bytes(path.read_bytes()[:-60])
    with pytest.raises(InputError, match="truncated"):
        read_ct(path)
    assert "Traceback" not in capfd.readouterr().err


def test_a_nifti_in_several_gzip_parts_is_whole(tmp_path):
    path = bad(tmp_path, GOOD.astype(np.int16), "ct.nii")
    data = path.read_bytes()
    parts = tmp_path / "parts.nii.gz"
    parts.write_bytes(gzip.compress(data[:400]) + gzip.compress(data[400:]))
    np.testing.assert_array_equal(read_ct(parts).hu, GOOD)


@pytest.mark.parametrize("name", ["notes.txt", "ct.nrrd", "ct.nii", "ct.nii.gz", "ct.mha", "ct.tif"])
@pytest.mark.parametrize("content", [b"", b"not an image, " * 50])
def test_a_file_that_is_no_image_is_an_error(tmp_path, name, content):
    (tmp_path / name).write_bytes(content)
    with pytest.raises(InputError, match=r"cannot be read|0 bytes|not a NIfTI"):
        read_ct(tmp_path / name, spacing=(1, 1, 1))


def test_a_missing_file_is_an_error(tmp_path):
    with pytest.raises(InputError, match="no file"):
        read_ct(tmp_path / "nowhere.nrrd")


def test_a_color_image_is_no_ct(tmp_path):
    image = SimpleITK.GetImageFromArray(np.zeros((4, 5, 6, 3), np.uint8), isVector=True)
    SimpleITK.WriteImage(image, str(tmp_path / "color.nrrd"))
    with pytest.raises(InputError, match="3 values per voxel"):
        read_ct(tmp_path / "color.nrrd")


def test_values_that_are_no_hounsfield_units_are_an_error_and_the_remedies_work(tmp_path):
    values = np.random.default_rng(0).integers(0, 4096, (4, 5, 6)).astype(np.int16)
    values.flat[:2] = 0, 4095
    path = bad(tmp_path, values)
    with pytest.raises(InputError, match=r"from 0 to 4095.*rescale=\(1, -1024\)"):
        read_ct(path)
    assert read_ct(path, rescale=(1, -1024)).hu.min() == -1024
    assert read_ct(path, units="hu").hu.max() == 4095
    with pytest.raises(InputError, match="positive slope"):
        read_ct(path, rescale=(0, 1))


def test_a_constant_image_is_an_error(tmp_path):
    with pytest.raises(InputError, match="-1000 everywhere"):
        read_ct(bad(tmp_path, np.full((3, 4, 5), -1000, np.int16)))


def test_a_huge_ct_is_an_error_that_says_what_it_needs_and_the_remedy_works(tmp_path):
    path = bad(tmp_path, np.random.default_rng(0).integers(-1000, 0, (20, 20, 20)).astype(np.int16))
    with pytest.raises(InputError, match=r"20 × 20 × 20 voxels.*GiB.*downsample=3"):
        read_ct(path, max_voxels=500)
    assert read_ct(path, max_voxels=500, downsample=3).hu.shape == (7, 7, 7)


@pytest.mark.parametrize("downsample", [0, 1.5, (1, 2)])
def test_downsampling_by_nonsense_is_an_error(tmp_path, downsample):
    with pytest.raises(InputError, match="downsample"):
        read_ct(bad(tmp_path, GOOD.astype(np.int16)), downsample=downsample)


@pytest.mark.parametrize("extension", ["nii", "nii.gz"])
@pytest.mark.parametrize("kind", [np.float32, np.float64])
@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf])
def test_values_that_itk_would_turn_into_zero_are_found_in_nifti(tmp_path, extension, kind, value):
    grid = builders.oblique_grid()
    values = builders.blob(*grid).astype(kind)
    values[2, 3, 4] = values[3, 0, 0] = value
    path = builders.write_itk(tmp_path / f"ct.{extension}", values, *grid)
    with pytest.raises(InputError, match=r"2 values that are not finite, the first at voxel \(i, j, k\) = \(4, 3, 2\)"):
        read_ct(path)


def test_a_huge_ct_is_told_what_it_costs_to_read_and_to_hold(tmp_path):
    grid = builders.oblique_grid()
    path = builders.write_itk(tmp_path / "ct.nrrd", builders.blob(*grid), *grid)
    with pytest.raises(InputError, match=r"downsample=\d+ \(block means: about .* GiB while reading, .* GiB after\)"):
        read_ct(path, max_voxels=50)


@pytest.mark.parametrize("name", ["ct.nrrd", "ct.mha", "ct.nii.gz"])
@pytest.mark.parametrize("offset", [0.0, 0.25])
def test_what_is_written_is_read_back_on_its_oblique_grid(tmp_path, name, offset):
    path, _values = written(tmp_path, "ct.nrrd")
    ct = read_ct(path)
    given = CT(np.maximum(ct.hu + np.float32(offset), -1024), ct.world_from_voxel)
    write_ct(tmp_path / f"again_{name}", given)
    again = read_ct(tmp_path / f"again_{name}")
    np.testing.assert_array_equal(again.hu, given.hu)
    np.testing.assert_allclose(again.world_from_voxel, given.world_from_voxel, atol=1e-4)


def test_a_ct_that_cannot_be_written_says_where(tmp_path):
    with pytest.raises(InputError, match=r"no_such_folder.*Make it, or name another"):
        write_ct(tmp_path / "no_such_folder" / "ct.nrrd", read_ct(written(tmp_path, "ct.nrrd")[0]))
