"""Networks that tell where pixels belong: targets by closed form, perfect maps decoded, tiny trainings that learn."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch

from SphericalRegLib.errors import CheckpointError, InputError
from SphericalRegLib.geometry import se3
from SphericalRegLib.geometry.view import View
from SphericalRegLib.geometry.volume import Volume
from SphericalRegLib.imaging.xray import XRay
from SphericalRegLib.initialization import Case, Given, SearchRange
from SphericalRegLib.initialization.contract import starts_of
from SphericalRegLib.initialization.dense import Heatmaps, SceneCoordinates, peak_of, ransac_pose, sure_pixels
from SphericalRegLib.networks.dense import COORDINATES, HEATMAPS, UNIT_MM, DenseNetwork
from SphericalRegLib.networks.model import Model, ModelCard, load_model
from SphericalRegLib.networks.unet import UNet
from SphericalRegLib.training.dense import (
    DenseTrainer,
    coordinate_loss,
    entry_exit,
    heatmap_loss,
    spread_bone,
)
from SphericalRegLib.training.trainer import Schedule
from SphericalRegLib.training.xrays import XRaySampler

SIZE = 32
SQUARE = [[x, y, z] for x in (-40.0, 40.0) for y in (-30.0, 30.0) for z in (-50.0, 20.0)]


def ball(radius: float = 30.0, center: tuple[float, float, float] = (5.0, -8.0, 12.0)) -> Volume:
    """Of bone, on voxels of 2 mm."""
    axis = torch.arange(-49.0, 50.0, 2.0)
    z, y, x = torch.meshgrid(axis, axis, axis, indexing="ij")
    inside = (x - center[0]) ** 2 + (y - center[1]) ** 2 + (z - center[2]) ** 2 <= radius**2
    matrix = torch.diag(torch.tensor([2.0, 2.0, 2.0, 1.0], dtype=torch.float64))
    matrix[:3, 3] = -49
    return Volume(0.05 * inside.float()[None], matrix)


def view(size: int = SIZE) -> View:
    return View.from_spacing(size, size, 1000.0, (180.0 / size, 180.0 / size), sad=700.0)


def nominal(volume: Volume) -> torch.Tensor:
    return se3.translation(torch.tensor([0.0, 0.0, 700.0], dtype=torch.float64) - volume.center)


@pytest.fixture(scope="module")
def sampler() -> XRaySampler:
    generator = torch.Generator().manual_seed(0)
    coarse = torch.rand(1, 1, 5, 5, 5, generator=generator)
    density = 0.06 * torch.nn.functional.interpolate(coarse, size=(20, 20, 20), mode="trilinear")[0]
    density = density * (density > 0.03)
    volume = Volume(density, torch.diag(torch.tensor([6.0, 6.0, 6.0, 1.0], dtype=torch.float64)))
    span = SearchRange(4, 6, 10)
    return XRaySampler(volume, view(), nominal(volume), span, samples=32, probability=0.0, collimated=False)


def trained(sampler: XRaySampler, kind: str, steps: int) -> DenseTrainer:
    return DenseTrainer(sampler, Schedule(steps=steps, batch=6, learning_rate=4e-3), kind)


class TestTargets:
    def test_rays_enter_and_leave_a_ball_where_the_closed_form_says(self) -> None:
        volume, camera = ball(), view(24)
        poses = se3.about(
            torch.tensor([[0.3, -0.2, 0.1, 4.0, -3.0, 10.0]], dtype=torch.float64), nominal(volume)[None], volume.center
        )
        entry, leaving, bone = entry_exit(volume, camera, poses)
        source = se3.inverse(poses)[0, :3, 3]
        center, radius = torch.tensor([5.0, -8.0, 12.0], dtype=torch.float64), 30.0
        checked = 0
        for v in range(24):
            for u in range(24):
                if bone[0, v, u] == 0:
                    continue
                first = entry[0, :, v, u].double()
                along = torch.nn.functional.normalize(leaving[0, :, v, u].double() - source, dim=0)
                middle = (center - source) @ along
                distance = float((center - source - middle * along).norm())
                if distance > 0.8 * radius:
                    # where a ray grazes the ball, half a voxel aside is much along it
                    continue
                half = (radius**2 - distance**2) ** 0.5
                # half a voxel, and half a step of the ray
                assert abs(float((first - source).norm()) - float(middle) + half) < 2.2
                assert abs(float((leaving[0, :, v, u].double() - source).norm()) - float(middle) - half) < 2.2
                checked += 1
        assert checked > 30

    def test_where_a_ray_meets_nothing_there_is_no_bone(self) -> None:
        _, _, bone = entry_exit(ball(8.0), view(), nominal(ball())[None])
        assert 0 < float(bone.mean()) < 0.2

    def test_landmarks_of_a_ct_without_any_are_bone_and_far_apart(self) -> None:
        volume = ball()
        points = spread_bone(volume, 6)
        off = (points - torch.tensor([5.0, -8.0, 12.0], dtype=torch.float64)).norm(dim=1)
        assert float(off.max()) <= 30
        apart = torch.cdist(points, points) + 1e3 * torch.eye(6)
        assert float(apart.min()) > 25

    def test_heatmaps_that_are_right_cost_nothing_and_those_beyond_the_image_do_not_count(self) -> None:
        places = torch.tensor([[[10.3, 7.6], [40.0, 5.0]]])
        rows, columns = torch.arange(SIZE).float(), torch.arange(SIZE).float()
        right = torch.exp(-((columns - 10.3) ** 2 + (rows[:, None] - 7.6) ** 2) / (2 * 1.5**2))
        maps = torch.stack([3 * right + 1, torch.randn(SIZE, SIZE)])[None]
        assert float(heatmap_loss(maps, places)) < 1e-5
        assert float(heatmap_loss(-maps, places)) == pytest.approx(1.0, abs=1e-4)

    def test_the_likeliest_coordinates_are_the_right_ones(self) -> None:
        wanted, bone = torch.randn(1, 6, 8, 8), torch.ones(1, 8, 8)
        maps = torch.cat(
            [wanted[:, :3], torch.full((1, 1, 8, 8), -2.0), wanted[:, 3:], torch.full((1, 1, 8, 8), -2.0)], 1
        )
        best = float(coordinate_loss(maps, wanted, bone))
        for change in (0.1, -0.1):
            assert float(coordinate_loss(maps + change, wanted, bone)) > best


class TestDecoding:
    @pytest.mark.parametrize("place", [(10.3, 7.6), (15.0, 20.5), (2.1, 28.8)])
    def test_a_rendered_gaussian_is_found_to_a_tenth_of_a_pixel(self, place: tuple[float, float]) -> None:
        rows, columns = torch.arange(SIZE).float(), torch.arange(SIZE).float()
        peak = peak_of(torch.exp(-((columns - place[0]) ** 2 + (rows[:, None] - place[1]) ** 2) / (2 * 1.5**2)), 1.5)
        assert peak.place == pytest.approx(place, abs=0.1)
        assert peak.likeness > 0.99

    def test_noise_is_no_peak(self) -> None:
        noise = torch.rand(SIZE, SIZE, generator=torch.Generator().manual_seed(0))
        assert peak_of(noise, 1.5).likeness < 0.8
        assert peak_of(torch.zeros(SIZE, SIZE), 1.5).likeness == -1.0

    @pytest.mark.parametrize(("wrong", "limit_mm"), [(0.0, 0.1), (0.4, 0.5)])
    def test_perfect_coordinates_give_the_pose_and_outliers_are_left_out(self, wrong: float, limit_mm: float) -> None:
        volume, camera = ball(), view(64)
        pose = se3.about(
            torch.tensor([[0.2, -0.1, 0.1, 4.0, -3.0, 10.0]], dtype=torch.float64), nominal(volume)[None], volume.center
        )
        generator = torch.Generator().manual_seed(0)
        points = 40 * (2 * torch.rand(300, 3, generator=generator, dtype=torch.float64) - 1)
        pixels = camera.project(points, pose[0])
        lost = int(wrong * 300)
        points[:lost] += 30 * torch.randn(lost, 3, generator=generator, dtype=torch.float64)
        found, inliers = ransac_pose(points, pixels, camera, 0)
        off = se3.transform_points(found, points[lost:]) - se3.transform_points(pose[0], points[lost:])
        assert float(off.norm(dim=1).mean()) < limit_mm
        assert inliers >= 300 - lost

    def test_pixels_that_are_not_sure_are_left_out(self) -> None:
        maps = torch.ones(8, 8, 8)
        with pytest.raises(InputError, match="hardly a pixel"):
            sure_pixels(maps, 400, 0)
        maps[3, :4] = -1
        points, pixels = sure_pixels(maps, 10, 0)
        assert points.shape == (10, 3)
        assert float(pixels[:, 1].max()) < 4

    def test_pixels_that_agree_on_nothing_give_no_pose(self) -> None:
        generator = torch.Generator().manual_seed(0)
        points, pixels = (torch.rand(12, n, generator=generator, dtype=torch.float64) for n in (3, 2))
        with pytest.raises(InputError, match="no pose explains"):
            ransac_pose(100 * points, 1e4 * pixels, view(), 0)


class TestTraining:
    def test_heatmaps_learn(self, sampler: XRaySampler) -> None:
        losses = [step.loss for step in trained(sampler, HEATMAPS, 80).steps()]
        assert sum(losses[-10:]) / 10 < 0.75 * losses[0]

    def test_coordinates_learn(self, sampler: XRaySampler) -> None:
        losses = [step.loss for step in trained(sampler, COORDINATES, 60).steps()]
        assert sum(losses[-10:]) / 10 < losses[0] - 0.3


def perfect(kind: str, volume: Volume, pose: torch.Tensor) -> DenseNetwork:
    """A network whose answer is the truth, whatever it is shown."""
    network = DenseNetwork(kind, SIZE, points=SQUARE if kind == HEATMAPS else ())
    if kind == HEATMAPS:
        seen = view().project(torch.tensor(SQUARE, dtype=torch.float64) + volume.center, pose)
        rows, columns = torch.arange(SIZE).float(), torch.arange(SIZE).float()
        maps = torch.stack(
            [torch.exp(-((columns - u) ** 2 + (rows[:, None] - v) ** 2) / (2 * 1.5**2)) for u, v in seen.float()]
        )
    else:
        entry, leaving, bone = entry_exit(volume, view(), pose[None])
        center = volume.center.float()[:, None, None]
        sigma = torch.where(bone[0] > 0, -1.0, 1.0)[None]
        maps = torch.cat([(entry[0] - center) / UNIT_MM, sigma, (leaving[0] - center) / UNIT_MM, sigma])
    network.net.forward = lambda images: maps[None].expand(len(images), *maps.shape)  # type: ignore[method-assign]
    return network


class TestStarts:
    @pytest.mark.parametrize(("initializer", "limit_mm"), [(Heatmaps(), 3.0), (SceneCoordinates(), 8.0)])
    def test_a_network_that_is_right_gives_the_pose(self, initializer: Heatmaps, limit_mm: float) -> None:
        volume = ball()
        twist = torch.tensor([[0.1, -0.1, 0.2, 4.0, -3.0, 10.0]], dtype=torch.float64)
        pose = se3.about(twist, nominal(volume)[None], volume.center)[0]
        case = self.case(volume, perfect(initializer.kind, volume, pose))
        starts = starts_of(initializer, case)
        points = torch.tensor(SQUARE, dtype=torch.float64) + volume.center
        off = se3.transform_points(starts.poses[0], points) - se3.transform_points(pose, points)
        # of pixels of 4 mm at the isocenter, mostly in depth
        assert float(off.norm(dim=1).mean()) < limit_mm
        assert "network" in starts.origin

    def test_a_network_that_finds_nothing_leaves_the_start_to_others_and_says_so(self) -> None:
        volume = ball()
        network = DenseNetwork(HEATMAPS, SIZE, points=SQUARE)
        network.net.forward = lambda images: torch.zeros(len(images), len(SQUARE), SIZE, SIZE)  # type: ignore[method-assign]
        given = nominal(volume)
        case = replace(self.case(volume, network), poses=given)
        starts = starts_of(Heatmaps(otherwise=Given()), case)
        assert torch.equal(starts.poses[0], given)
        assert "0 of 8 landmarks were found, 4 are needed" in starts.notes[-1]

    def test_a_model_without_such_a_network_is_refused(self) -> None:
        case = self.case(ball(), DenseNetwork(COORDINATES, SIZE))
        with pytest.raises(CheckpointError, match="a network of heatmaps"):
            starts_of(Heatmaps(), case)

    @staticmethod
    def case(volume: Volume, network: DenseNetwork) -> Case:
        span = {"rotation_deg": 1.0, "in_plane_mm": 1.0, "depth_mm": 1.0}
        matrix = torch.eye(4).tolist()
        card = ModelCard(
            "t", "2026-01-01", "0", view().intrinsics.tolist(), SIZE, SIZE, 1000.0, 700.0, matrix, span, span
        )
        image = np.random.default_rng(0).random((SIZE, SIZE), np.float32)
        xray = XRay(image, view(), np.ones((SIZE, SIZE), bool))
        return Case(volume, [xray], model=Model(card, dense=network))


class TestNetworks:
    def test_a_file_brings_a_network_back_with_its_landmarks(self, tmp_path: Path) -> None:
        network = DenseNetwork(HEATMAPS, SIZE, points=SQUARE)
        model = TestStarts.case(ball(), network).model
        assert model is not None
        model.save(tmp_path / "m.safetensors")
        again = load_model(tmp_path / "m.safetensors").dense
        assert again is not None
        assert again.points == SQUARE

    def test_maps_have_the_images_size(self) -> None:
        assert UNet(5, 8, 4)(torch.zeros(2, 1, 40, 48)).shape == (2, 5, 40, 48)

    @pytest.mark.parametrize(
        ("make", "words"),
        [
            (lambda: DenseNetwork("magic"), "no dense network 'magic'"),
            (lambda: DenseNetwork(HEATMAPS, 33, points=SQUARE), "size 33"),
            (lambda: DenseNetwork(HEATMAPS, SIZE), "4 landmarks or more"),
            (lambda: UNet(1, 6), "multiple of 4"),
            (lambda: DenseNetwork(COORDINATES, SIZE)(torch.zeros(1, 1, 16, 16)), "takes images"),
        ],
    )
    def test_what_cannot_be_is_told(self, make: object, words: str) -> None:
        with pytest.raises(InputError, match=words):
            make()  # type: ignore[operator]
