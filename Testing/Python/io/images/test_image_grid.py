"""Where voxels of NIfTI, NRRD and MHA files lie: against matrices computed here by the formats' definitions."""

import gzip
import struct

import numpy as np
import pytest
from scipy.spatial.transform import Rotation

from SphericalRegLib.errors import GeometryError, InputError
from SphericalRegLib.io.ct import read_ct
from Testing.Python.io import builders

SIZE = (5, 4, 3)
VALUES = np.random.default_rng(0).integers(-1000, 2000, SIZE[::-1]).astype(np.int16)
TURN = Rotation.from_euler("xyz", [20, -35, 50], degrees=True)
SPACING = np.array([0.7, 1.1, 2.3])
PLACE = np.array([13.0, -42.0, 27.5])


def affine(hand=1):
    """RAS mm, oblique, anisotropic, off center; of the given hand by the first axis."""
    matrix = np.eye(4)
    matrix[:3, :3] = TURN.as_matrix() * SPACING * [hand, 1, 1]
    matrix[:3, 3] = PLACE
    return matrix


def nifti(path, sform=None, quaternion=None, *, qfac=1.0, pixdim=SPACING, units=2, scale=(1, 0), codes=(1, 1)):
    """A NIfTI file by nifti1.h; quaternion: (b, c, d, x, y, z)."""
    rows = np.zeros(12) if sform is None else sform[:3].ravel()
    quaternion = np.zeros(6) if quaternion is None else quaternion
    qcode, scode = (codes[0] if quaternion.any() else 0), (codes[1] if sform is not None else 0)
    dims, pixdims = (3, *SIZE, 1, 1, 1, 1), (qfac, *pixdim, 1, 0, 0, 0)
    header = bytearray(352)
    struct.pack_into("<i", header, 0, 348)
    struct.pack_into("<8h", header, 40, *dims)
    struct.pack_into("<2h", header, 70, 4, 16)
    struct.pack_into("<8f3f", header, 76, *pixdims, 352, *scale)
    header[123] = units
    struct.pack_into("<2h6f12f16x4s", header, 252, qcode, scode, *quaternion, *rows, b"n+1\0")
    data = bytes(header) + VALUES.tobytes()
    path.write_bytes(gzip.compress(data) if path.suffix == ".gz" else data)
    return path


def quaternion(turn=TURN):
    x, y, z, w = turn.as_quat()
    return np.array([*(np.array([x, y, z]) * (1 if w >= 0 else -1)), *PLACE])


def check(ct, matrix, values=VALUES, atol=2e-5):
    """Every voxel of the file is where ``matrix`` puts it, with its value; the grid is right-handed."""
    assert np.linalg.det(ct.world_from_voxel[:3, :3]) > 0
    stored_index = np.linalg.inv(matrix) @ ct.world_from_voxel
    for k, j, i in np.ndindex(ct.hu.shape):
        index = stored_index @ [i, j, k, 1]
        np.testing.assert_allclose(index[:3], np.round(index[:3]), atol=atol)
        si, sj, sk = np.round(index[:3]).astype(int)
        assert ct.hu[k, j, i] == values[sk, sj, si]


@pytest.mark.parametrize("name", ["ct.nii", "ct.nii.gz"])
@pytest.mark.parametrize("hand", [1, -1])
def test_every_voxel_of_a_nifti_is_where_its_sform_says(tmp_path, name, hand):
    ct = read_ct(nifti(tmp_path / name, affine(hand)))
    check(ct, affine(hand))
    assert ct.notes == ()


@pytest.mark.parametrize("qfac", [1.0, -1.0, 0.0])
def test_every_voxel_of_a_nifti_is_where_its_qform_says(tmp_path, qfac):
    matrix = affine()
    matrix[:3, 2] *= -1 if qfac < 0 else 1
    check(read_ct(nifti(tmp_path / "ct.nii", None, quaternion(), qfac=qfac)), matrix)


def test_las_as_dcm2niix_and_fsl_write_it_is_read(tmp_path):
    matrix = np.diag([-0.7, 1.1, 2.3, 1.0])
    matrix[:3, 3] = PLACE
    half_turn = np.array([0.0, 1.0, 0.0, *PLACE])  # with qfac -1: k back again
    path = nifti(tmp_path / "las.nii.gz", matrix, half_turn, qfac=-1.0)
    check(read_ct(path), matrix)


@pytest.mark.parametrize("turn", [TURN, Rotation.from_euler("z", 179.99, degrees=True)])
def test_float32_rounding_is_no_disagreement(tmp_path, turn):
    matrix = affine()
    matrix[:3, :3] = turn.as_matrix() * SPACING
    check(read_ct(nifti(tmp_path / "ct.nii", matrix, quaternion(turn))), matrix, atol=2e-3)


@pytest.mark.parametrize("codes", [(1, 1), (1, 2), (2, 1), (1, 4)])
def test_sform_and_qform_that_disagree_must_be_chosen(tmp_path, codes):
    straight = np.diag([*SPACING, 1.0])
    path = nifti(tmp_path / "ct.nii", straight, quaternion(), codes=codes)
    with pytest.raises(GeometryError, match=r"sform \(code \d\).* mm apart.*nifti_affine='sform' or nifti"):
        read_ct(path)
    check(read_ct(path, nifti_affine="sform"), straight)
    check(read_ct(path, nifti_affine="qform"), affine())


def test_a_choice_that_is_not_there_is_an_error(tmp_path):
    with pytest.raises(InputError, match=r"has no qform .*: it has sform"):
        read_ct(nifti(tmp_path / "ct.nii", affine()), nifti_affine="qform")
    with pytest.raises(InputError, match="is for NIfTI files"):
        read_ct(builders.write_itk(tmp_path / "ct.nrrd", VALUES), nifti_affine="qform")


def test_a_nifti_with_neither_must_be_given_axes(tmp_path):
    path = nifti(tmp_path / "ct.nii")
    with pytest.raises(GeometryError, match=r"neither sform nor qform.*axes='LPS'"):
        read_ct(path)
    check(read_ct(path, axes="LAS"), np.diag([-0.7, 1.1, 2.3, 1.0]))
    assert "axes='RAS'" in read_ct(path, axes="RAS").notes[0]


def test_axes_for_a_file_that_tells_them_are_an_error(tmp_path):
    with pytest.raises(InputError, match="axes='LPS' is for files that do not tell"):
        read_ct(nifti(tmp_path / "ct.nii", affine()), axes="LPS")


@pytest.mark.parametrize(("units", "millimeters"), [(1, 1000), (2, 1), (3, 0.001), (0, 1), (2 + 8, 1), (3 + 16, 0.001)])
@pytest.mark.parametrize("form", ["sform", "qform"])
def test_units_of_a_nifti_are_honored(tmp_path, units, millimeters, form):
    matrix = affine()
    forms = {"sform": {"sform": matrix}, "qform": {"quaternion": quaternion()}}[form]
    scaled = np.diag([millimeters] * 3 + [1]) @ matrix
    check(read_ct(nifti(tmp_path / "ct.nii", **forms, units=units)), scaled)


def test_unknown_units_of_a_nifti_are_an_error(tmp_path):
    with pytest.raises(InputError, match="xyzt_units 5"):
        read_ct(nifti(tmp_path / "ct.nii", affine(), units=5))


def test_an_sform_counts_where_pixdim_says_otherwise_and_that_is_said(tmp_path):
    ct = read_ct(nifti(tmp_path / "ct.nii", affine(), pixdim=(1, 1, 1)))
    check(ct, affine())
    assert "(0.7, 1.1, 2.3) mm by its sform" in ct.notes[0]


@pytest.mark.parametrize(
    ("scale", "values"), [((0, 5), VALUES), ((2, -10), VALUES * 2 - 10), ((np.nan, np.nan), VALUES), ((1, 0), VALUES)]
)
def test_a_slope_of_zero_scales_nothing(tmp_path, scale, values):
    check(read_ct(nifti(tmp_path / "ct.nii", affine(), scale=scale)), affine(), np.clip(values, -1024, 30000))


DIRECTIONS = TURN.as_matrix() * SPACING
AXES = {"RAS": np.diag([1, 1, 1]), "LAS": np.diag([-1, 1, 1]), "LPS": np.diag([-1, -1, 1])}


def nrrd(path, *lines):
    header = f"NRRD0005\ntype: short\ndimension: 3\nsizes: {' '.join(map(str, SIZE))}\nendian: little\nencoding: raw\n"
    path.write_bytes((header + "".join(line + "\n" for line in lines) + "\n").encode() + VALUES.tobytes())
    return path


def vectors(matrix=DIRECTIONS):
    columns = " ".join("(" + ",".join(f"{c:.17g}" for c in column) + ")" for column in matrix.T)
    return f"space directions: {columns}", "space origin: (" + ",".join(f"{c:.17g}" for c in PLACE) + ")"


def in_ras(letters, millimeters=1.0, directions=DIRECTIONS):
    matrix = np.eye(4)
    matrix[:3, :3], matrix[:3, 3] = AXES[letters] @ directions * millimeters, AXES[letters] @ PLACE * millimeters
    return matrix


@pytest.mark.parametrize(
    ("space", "letters"),
    [
        ("left-posterior-superior", "LPS"),
        ("LPS", "LPS"),
        ("right-anterior-superior", "RAS"),
        ("RAS", "RAS"),
        ("left-anterior-superior", "LAS"),
        ("LAS", "LAS"),
    ],
)
@pytest.mark.parametrize("hand", [1, -1])
def test_spaces_of_the_patient(tmp_path, space, letters, hand):
    directions = DIRECTIONS * [1, hand, 1]
    extra = "measurement frame: (0,1,0) (1,0,0) (0,0,1)", "thicknesses: 9 9 9", "centerings: cell node cell"
    path = nrrd(tmp_path / "ct.nrrd", f"space: {space}", *vectors(directions), *extra, "kinds: domain domain domain")
    check(read_ct(path), in_ras(letters, directions=directions))


@pytest.mark.parametrize("space", ["scanner-xyz", "3D-right-handed", "3D-left-handed", None])
def test_spaces_that_are_not_the_patients_are_an_error_that_names_them(tmp_path, space):
    line = "space dimension: 3" if space is None else f"space: {space}"
    path = nrrd(tmp_path / "ct.nrrd", line, *vectors())
    with pytest.raises(GeometryError, match=rf"does not tell how it lies.*{space or 'no NRRD space'}.*axes='LPS'"):
        read_ct(path)
    check(read_ct(path, axes="RAS"), np.diag([*SPACING, 1]))


@pytest.mark.parametrize(
    ("units", "millimeters"),
    [('"mm" "mm" "mm"', 1), ('"cm" "cm" "cm"', 10), ('"m" "m" "m"', 1000), ('"um" "um" "um"', 0.001), ('"" "" ""', 1)],
)
def test_space_units_are_honored(tmp_path, units, millimeters):
    path = nrrd(tmp_path / "ct.nrrd", "space: right-anterior-superior", *vectors(), f"space units: {units}")
    check(read_ct(path), in_ras("RAS", millimeters))
    path = nrrd(tmp_path / "flat.nrrd", "spacings: 0.7 1.1 2.3", f"units: {units}")
    check(read_ct(path, axes="LPS"), np.diag([*(SPACING * [-1, -1, 1] * millimeters), 1]))


@pytest.mark.parametrize("units", ['"furlong" "furlong" "furlong"', '"mm" "mm" "cm"'])
def test_other_units_are_an_error(tmp_path, units):
    with pytest.raises(InputError, match="the same of mm, cm, m or um"):
        read_ct(nrrd(tmp_path / "ct.nrrd", "space: LPS", *vectors(), f"space units: {units}"))


@pytest.mark.parametrize("lines", [(), ("spacings: nan 1 1",), ("axis mins: 0 0 0", "axis maxs: 4 9 16")])
def test_an_nrrd_without_spacing_must_be_given_one(tmp_path, lines):
    path = nrrd(tmp_path / "ct.nrrd", *lines)
    with pytest.raises(GeometryError, match=r"voxel size: pass spacing=\(i, j, k\)"):
        read_ct(path)
    check(read_ct(path, spacing=(0.7, 1.1, 2.3), axes="RAS"), np.diag([*SPACING, 1]))


def test_an_nrrd_without_origin_says_so(tmp_path):
    assert "no space origin" in read_ct(nrrd(tmp_path / "ct.nrrd", "space: LPS", vectors()[0])).notes[0]


def mha(path, *lines, spacing="ElementSpacing = 0.7 1.1 2.3"):
    first = ("ObjectType = Image", "NDims = 3", "BinaryData = True", "BinaryDataByteOrderMSB = False")
    last = f"DimSize = {' '.join(map(str, SIZE))}", "ElementType = MET_SHORT", "ElementDataFile = LOCAL"
    text = "".join(line + "\n" for line in (*first, *([spacing] if spacing else []), *lines, *last))
    path.write_bytes(text.encode() + VALUES.tobytes())
    return path


def transform(hand=1, keyword="TransformMatrix"):
    cosines = TURN.as_matrix() * [1, hand, 1]
    return f"{keyword} = {' '.join(f'{c:.17g}' for c in cosines.T.ravel())}", f"Offset = {' '.join(map(str, PLACE))}"


@pytest.mark.parametrize("hand", [1, -1])
@pytest.mark.parametrize("keyword", ["TransformMatrix", "Rotation", "Orientation"])
@pytest.mark.parametrize(("units", "millimeters"), [("mm", 1), ("?", 1), ("cm", 10), ("um", 0.001)])
def test_every_voxel_of_an_mha_is_where_its_transform_says(tmp_path, hand, keyword, units, millimeters):
    lines = (*transform(hand, keyword), "CenterOfRotation = 5 6 7", f"DistanceUnits = {units}")
    spacing = "ElementSize = 0.7 1.1 2.3" if hand < 0 else "ElementSize = 9 9 9\nElementSpacing = 0.7 1.1 2.3"
    ct = read_ct(mha(tmp_path / "ct.mha", *lines, spacing=spacing))
    check(ct, in_ras("LPS", millimeters, DIRECTIONS * [1, hand, 1]))


def test_an_mha_without_spacing_must_be_given_one(tmp_path):
    path = mha(tmp_path / "ct.mha", *transform(), spacing=None)
    with pytest.raises(GeometryError, match="does not tell its voxel size"):
        read_ct(path)
    check(read_ct(path, spacing=tuple(SPACING)), in_ras("LPS"))


def test_unknown_distance_units_are_an_error(tmp_path):
    with pytest.raises(InputError, match="DistanceUnits = 'inch'"):
        read_ct(mha(tmp_path / "ct.mha", "DistanceUnits = inch"))


def test_a_rescale_in_an_mha_must_be_decided(tmp_path):
    lines = "ElementToIntensityFunctionSlope = 2", "ElementToIntensityFunctionOffset = -10"
    path = mha(tmp_path / "ct.mha", *transform(), *lines)
    with pytest.raises(InputError, match=r"rescale=\(2, -10\) .* or rescale=\(1, 0\)"):
        read_ct(path)
    check(read_ct(path, rescale=(2, -10)), in_ras("LPS"), np.clip(VALUES * 2 - 10, -1024, 30000))
    check(read_ct(path, rescale=(1, 0)), in_ras("LPS"))


@pytest.mark.parametrize(("letters", "fits"), [("RAI", True), ("LPS", True), ("RPI", False), ("???", True)])
def test_letters_that_do_not_fit_the_transform_are_said(tmp_path, letters, fits):
    path = mha(tmp_path / "ct.mha", "TransformMatrix = 1 0 0 0 1 0 0 0 1", f"AnatomicalOrientation = {letters}")
    assert bool(read_ct(path).notes) != fits


LABELS = (VALUES > 500).astype(np.int16) * 3


@pytest.mark.parametrize(
    ("write", "options"),
    [
        (lambda path: nifti(path, affine(-1)), {}),
        (lambda path: nifti(path, affine(), pixdim=2 * SPACING), {}),
        (lambda path: nifti(path, affine(), quaternion(), pixdim=1.5 * SPACING), {"nifti_affine": "qform"}),
        (lambda path: nifti(path), {"axes": "LAS"}),
        (lambda path: nrrd(path, "space: LPS", 'space units: "cm" "cm" "cm"', *vectors()), {}),
    ],
    ids=["left-handed", "sform unlike pixdim", "chosen qform", "no affine", "centimeters"],
)
def test_a_label_map_with_the_cts_own_header_fits_it_however_odd_that_is(tmp_path, write, options):
    suffix = ".nrrd" if "nrrd" in write.__code__.co_names else ".nii"
    file, label_file = write(tmp_path / f"ct{suffix}"), write(tmp_path / f"labels{suffix}")
    content = label_file.read_bytes()
    label_file.write_bytes(content[: -VALUES.nbytes] + LABELS.tobytes())
    ct = read_ct(file, label_file, **options)
    np.testing.assert_array_equal(ct.labels, (ct.hu > 500) * 3)
