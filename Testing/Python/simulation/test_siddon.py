"""The simulator's exact line integrals, against independent ways to compute them."""

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.spatial.transform import Rotation

from SphericalRegLib.errors import GeometryError, InputError
from SphericalRegLib.geometry.view import View
from SphericalRegLib.simulation.siddon import PATH_LENGTH, line_integrals
from SphericalRegLib.simulation.spectrum import mass_attenuation
from SphericalRegLib.simulation.tissue import TissueModel

WATER, BONE, METAL = 0, 1, 2


def facing(distance: float) -> np.ndarray:
    """A pose with the world's origin on the optical axis, world and camera axes parallel."""
    pose = np.eye(4)
    pose[2, 3] = distance
    return pose


def rays_in_world(view: View, pose: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Source (3,) and pixel centers (H, W, 3) in the world, written without the library's matrices."""
    world_from_camera = np.linalg.inv(view.camera_from_rig.numpy() @ pose)
    k = view.intrinsics.numpy()
    v, u = np.mgrid[: view.height, : view.width].astype(float)
    y = (v - k[1, 2]) / k[1, 1] * view.sdd
    x = (u - k[0, 2] - k[0, 1] * y / view.sdd) / k[0, 0] * view.sdd
    pixels = np.stack([x, y, np.full_like(x, view.sdd)], -1)
    return world_from_camera[:3, 3], pixels @ world_from_camera[:3, :3].T + world_from_camera[:3, 3]


def sorted_planes(hu: np.ndarray, world_from_voxel: np.ndarray, start: np.ndarray, end: np.ndarray) -> float:
    """Siddon's original algorithm for one ray, in the world: cross all planes, sort, look up each interval's middle.

    Returns the integral of 1 + HU/1000 in mm.
    """
    crossings = [np.array([0.0, 1.0])]
    for axis, n in enumerate(hu.shape[::-1]):
        first, second = (world_from_voxel[:3, a] for a in range(3) if a != axis)
        normal = np.cross(first, second)
        corner = world_from_voxel[:3, :3] @ np.full(3, -0.5) + world_from_voxel[:3, 3]
        faces = corner + np.arange(n + 1)[:, None] * world_from_voxel[:3, axis]
        along = normal @ (end - start)
        if along != 0:
            crossings.append((faces - start) @ normal / along)
    t = np.unique(np.clip(np.concatenate(crossings), 0, 1))
    middles = start + ((t[1:] + t[:-1]) / 2)[:, None] * (end - start)
    index = np.floor((middles - world_from_voxel[:3, 3]) @ np.linalg.inv(world_from_voxel[:3, :3]).T + 0.5).astype(int)
    inside = ((index >= 0) & (index < np.array(hu.shape[::-1]))).all(1)
    i, j, k = index[inside].T
    return float(np.diff(t)[inside] @ (1 + hu[k, j, i] / 1000) * np.linalg.norm(end - start))


def random_scene(seed: int) -> tuple[np.ndarray, np.ndarray, View, np.ndarray]:
    """A small CT on any affine grid (oblique, anisotropic, sheared, left-handed), off-center and maybe mirrored."""
    rng = np.random.default_rng(seed)
    hu = rng.uniform(-1000, 90, rng.integers(3, 7, 3)).astype(np.float32)
    grid = np.eye(4)
    grid[:3, :3] = Rotation.random(random_state=seed).as_matrix() * rng.uniform(4, 12, 3) * rng.choice([-1, 1], 3)
    grid[:3, :3] += rng.uniform(-0.2, 0.2, (3, 3))
    middle = grid[:3, :3] @ ((np.array(hu.shape[::-1]) - 1) / 2)
    grid[:3, 3] = rng.uniform(-5, 5, 3) - middle
    k = np.array([[rng.choice([-1, 1]) * 90.0, rng.uniform(-3, 3), 5.3], [0, 80, 3.1], [0, 0, 1]])
    rig = np.eye(4)
    rig[:3, :3], rig[:3, 3] = Rotation.random(random_state=seed + 1).as_matrix(), rng.uniform(-50, 50, 3)
    view = View(torch.from_numpy(k), 9, 8, 1000.0, torch.from_numpy(rig))
    camera = np.eye(4)
    camera[:3, :3], camera[:3, 3] = Rotation.random(random_state=seed + 2).as_matrix(), [0, 0, 700]
    return hu, grid, view, np.linalg.inv(rig) @ camera


@settings(max_examples=30, deadline=None)
@given(st.integers(0, 2**31))
def test_equals_siddons_original_algorithm_on_any_affine_grid(seed):
    hu, grid, view, pose = random_scene(seed)
    ours = line_integrals(hu, grid, view, pose)
    source, pixels = rays_in_world(view, pose)
    expected = np.array([[sorted_planes(hu, grid, source, p) for p in row] for row in pixels])
    length = np.array([[sorted_planes(np.zeros_like(hu), grid, source, p) for p in row] for row in pixels])
    np.testing.assert_allclose(10 * ours[..., WATER], expected, atol=1e-6)
    np.testing.assert_allclose(ours[..., PATH_LENGTH], length, atol=1e-6)


def test_agrees_with_fine_nearest_neighbor_sampling():
    hu, grid, view, pose = random_scene(7)
    source, pixels = rays_in_world(view, pose)
    t = (np.arange(20000) + 0.5) / 20000 * 0.2 + 0.6  # the CT lies about 700 of 1000 mm away
    points = source + t[:, None] * (pixels[4, 4] - source)
    ijk = np.rint((points - grid[:3, 3]) @ np.linalg.inv(grid[:3, :3]).T).astype(int)
    inside = ((ijk >= 0) & (ijk < np.array(hu.shape[::-1]))).all(1)
    density = np.where(inside, 1 + hu[tuple(np.where(inside[:, None], ijk, 0).T[::-1])] / 1000, 0)
    expected = density.mean() * 0.2 * np.linalg.norm(pixels[4, 4] - source)
    assert 10 * line_integrals(hu, grid, view, pose)[4, 4, WATER] == pytest.approx(expected, rel=2e-3)


def test_a_sphere_casts_its_chords():
    n, radius = 60, 25.3  # so many voxels that their volume is the ball's within 0.1 %
    k, j, i = np.mgrid[:n, :n, :n] - (n - 1) / 2
    hu = np.where(i**2 + j**2 + k**2 <= radius**2, 0.0, -1000.0)
    grid = np.eye(4)
    grid[:3, 3] = -(n - 1) / 2
    view = View.from_spacing(40, 40, 1000.0, (2.0, 2.0))
    depth = 10 * line_integrals(hu, grid, view, facing(700.0), subpixels=2)[..., WATER]
    source, pixels = rays_in_world(view.resized(80, 80), facing(700.0))
    toward = (pixels - source) / np.linalg.norm(pixels - source, axis=-1, keepdims=True)
    squared = radius**2 - ((source @ source) - (toward @ source) ** 2)
    chords = 2 * np.sqrt(np.maximum(squared, 0))
    assert np.abs(depth - chords).mean() < 0.6  # voxels of 1 mm
    assert depth.sum() == pytest.approx(chords.sum(), rel=2e-3)


def test_a_distant_source_keeps_the_total_mass():
    rng = np.random.default_rng(3)
    hu = rng.uniform(-1000, 100, (6, 7, 8))
    grid = np.eye(4)
    grid[:3, :3] = Rotation.from_euler("xyz", [20, 30, 40], degrees=True).as_matrix() * [3, 2, 1]
    grid[:3, 3] = -grid[:3, :3] @ [3.5, 3, 2.5]
    view = View.from_spacing(200, 200, 2e6, (0.2, 0.2))
    integrals = line_integrals(hu, grid, view, facing(2e6 - 100))
    mass = integrals[..., WATER].sum() * 0.02**2
    assert mass == pytest.approx((1 + hu / 1000).sum() * 3 * 2 * 1 / 1000, rel=2e-3)


def test_rays_along_the_grids_planes_count_once():
    hu = np.zeros((4, 4, 4))
    grid = np.eye(4)
    grid[:3, 3] = -1.5  # the central ray runs exactly between voxels
    view = View.from_spacing(3, 3, 1000.0, (1.0, 1.0))
    length = line_integrals(hu, grid, view, facing(700.0))[1, 1]
    assert length[PATH_LENGTH] == pytest.approx(4, abs=1e-12)
    assert length[WATER] == pytest.approx(0.4, abs=1e-12)


def test_what_lies_behind_the_detector_is_not_seen():
    grid = np.eye(4)
    grid[:3, 3] = [-4.5, -4.5, -4.5]
    view = View.from_spacing(3, 3, 1000.0, (1.0, 1.0))
    half = line_integrals(np.zeros((10, 10, 10)), grid, view, facing(1000.0))
    assert half[1, 1, PATH_LENGTH] == pytest.approx(5, abs=1e-9)


@pytest.mark.parametrize("hu", [101.0, 500.0, 1200.0, 1700.0, 2400.0])
def test_tissue_attenuates_in_the_ct_as_its_number_says(hu):
    model = TissueModel(ct_energy=70.0)
    grid = np.diag([10.0, 10.0, 10.0, 1.0])
    view = View.from_spacing(1, 1, 1000.0, (1.0, 1.0))
    basis = line_integrals(np.full((1, 1, 1), hu), grid, view, facing(700.0), model)[0, 0]
    water, bone = mass_attenuation("water", 70.0), mass_attenuation("bone", 70.0)
    assert basis[WATER] * water + basis[BONE] * bone == pytest.approx(water * (1 + hu / 1000), rel=1e-6)
    assert basis[METAL] == 0


def test_air_is_nothing_and_metal_is_steel():
    view = View.from_spacing(1, 1, 1000.0, (1.0, 1.0))
    grid = np.diag([10.0, 10.0, 10.0, 1.0])
    air = line_integrals(np.full((1, 1, 1), -3024.0), grid, view, facing(700.0))[0, 0]
    steel = line_integrals(np.full((1, 1, 1), 3071.0), grid, view, facing(700.0))[0, 0]
    assert air[:3].tolist() == [0, 0, 0]
    assert steel[:3].tolist() == pytest.approx([0, 0, 7.87])


@pytest.mark.parametrize("mirror", [1, -1])
@pytest.mark.parametrize("voxel", [(2, 3, 4), (20, 30, 10), (35, 5, 22)])
def test_a_dense_point_lands_where_the_view_projects_it(voxel, mirror):
    i, j, k = voxel
    hu = np.full((24, 32, 40), -1000.0)
    hu[k, j, i] = 50.0
    grid = np.eye(4)
    grid[:3, :3] = Rotation.from_euler("xyz", [10, -20, 35], degrees=True).as_matrix() * [1.0, 0.8, 1.5]
    grid[:3, 3] = [-30.0, 12.0, 5.0]
    k_matrix = torch.tensor([[mirror * 900.0, 0, 21.7], [0, 850.0, 40.2], [0, 0, 1]], dtype=torch.float64)
    view = View(k_matrix, 90, 110, 1000.0)
    pose = np.eye(4)
    pose[:3, :3] = Rotation.from_euler("xyz", [5, 8, -15], degrees=True).as_matrix()
    pose[:3, 3] = [0.0, -10.0, 650.0]
    point = torch.from_numpy(grid[:3, :3] @ [i, j, k] + grid[:3, 3])[None]
    u, v = view.project(point, torch.from_numpy(pose))[0].tolist()
    left, top = round(u) - 4, round(v) - 4
    part = view.cropped(top, left, 9, 9)
    image = line_integrals(hu, grid, part, pose, subpixels=64)[..., WATER]
    rows, columns = (np.indices(image.shape) + 0.5) / 64 - 0.5
    assert left + (columns * image).sum() / image.sum() == pytest.approx(u, abs=0.003)
    assert top + (rows * image).sum() / image.sum() == pytest.approx(v, abs=0.003)


def test_impossible_input_is_named():
    view = View.from_spacing(4, 4, 1000.0, (1.0, 1.0))
    ct, grid = np.zeros((3, 3, 3)), np.eye(4)
    broken = ct.copy()
    broken[1, 1, 1] = np.nan
    with pytest.raises(InputError, match="1 voxels that are NaN or infinite"):
        line_integrals(broken, grid, view, facing(700.0))
    with pytest.raises(InputError, match=r"\(3, 3\)"):
        line_integrals(ct[0], grid, view, facing(700.0))
    with pytest.raises(GeometryError, match="outside the X-ray beam"):
        line_integrals(ct, grid, view, facing(-700.0))
    with pytest.raises(GeometryError, match="outside the X-ray beam"):
        line_integrals(ct, grid, view, np.block([[np.eye(3), np.array([[300.0], [0], [700]])], [np.eye(4)[3:]]]))
    with pytest.raises(GeometryError, match="source lies inside the CT"):
        line_integrals(ct, grid, view, facing(0.0))
    with pytest.raises(GeometryError, match="not a rigid"):
        line_integrals(ct, grid, view, 2 * np.eye(4))
    with pytest.raises(GeometryError, match="invertible"):
        line_integrals(ct, np.diag([1.0, 1, 0, 1]), view, facing(700.0))
    with pytest.raises(InputError, match="subpixels=0"):
        line_integrals(ct, grid, view, facing(700.0), subpixels=0)
    with pytest.raises(InputError, match="must rise"):
        TissueModel(soft_hu=3000.0)
