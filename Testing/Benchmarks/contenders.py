"""SphericalReg and its peers behind one call: an image, and if asked for its derivative in the six pose parameters.

Every contender gets the same volume, rays, number of samples and poses. Peers give the gradient of one scalar in the
matrix that they take, which :func:`in_twists` turns into that in our six parameters, outside of what is timed, so that
images and gradients can be compared as well as times.
"""

from __future__ import annotations

from collections.abc import Callable
from importlib import metadata

import torch
from setting import Setting
from torch import Tensor

from SphericalRegLib.geometry import se3
from SphericalRegLib.rendering import linearize, render

#: (derivative wanted?) -> images (B, 1, H, W) and, if wanted, the derivative: Jacobians (B, 1, 6, H, W) of ours, and of
#: peers the gradient of the sum of weights * images in world_from_camera (B, 4, 4).
Contender = Callable[[bool], tuple[Tensor, "Tensor | None"]]
#: world_from_camera (B, 4, 4) -> images (B, 1, H, W).
_Draw = Callable[[Tensor], Tensor]


def sphericalreg(setting: Setting) -> Contender:
    """Ours; the derivative is the whole Jacobian, of which peers give one row combination."""

    def run(derivative: bool) -> tuple[Tensor, Tensor | None]:
        if not derivative:
            return render(setting.volume, setting.view, setting.poses, samples=setting.samples), None
        return linearize(setting.volume, setting.view, setting.poses, samples=setting.samples)

    return run


def nanodrr(setting: Setting) -> Contender:
    """nanodrr's own module and its choice of backend (Triton on CUDA); reverse mode."""
    return _reverse_mode(setting, _nanodrr(setting))


def nanodrr_compiled(setting: Setting) -> Contender:
    """The same, compiled by torch."""
    return _reverse_mode(setting, torch.compile(_nanodrr(setting)))


def nanodrr_graphs(setting: Setting) -> Contender:
    """The same, as CUDA graphs: launches are recorded once and replayed on new poses."""
    return _replayed(setting, _nanodrr(setting))


def _nanodrr(setting: Setting) -> _Draw:
    from nanodrr.data import Subject
    from nanodrr.drr import DRR
    from torchio import ScalarImage

    volume, view = setting.volume, setting.view
    image = ScalarImage(tensor=volume.density.cpu().permute(0, 3, 2, 1), affine=volume.world_from_voxel.numpy())
    subject = Subject.from_images(image, convert_to_mu=False).to(setting.device)
    row_mm, column_mm = view.spacing
    drr = DRR.from_carm_intrinsics(
        view.sdd, column_mm, row_mm, 0.0, 0.0, view.height, view.width, dtype=torch.float32, device=setting.device
    )
    return lambda world_from_camera: drr(subject, world_from_camera, n_samples=setting.samples)


def diffdrr(setting: Setting) -> Contender:
    """DiffDRR's trilinear renderer; reverse mode.

    Its rays are made here: the module that makes them needs torchvision and others that have no part in rendering.
    """
    from diffdrr.renderers import Trilinear

    volume, view, device = setting.volume, setting.view, setting.device
    renderer = Trilinear()
    density = volume.density[0].permute(2, 1, 0).contiguous()
    voxel_from_world = torch.linalg.inv(volume.world_from_voxel).to(device, torch.float32)
    v, u = torch.meshgrid(torch.arange(view.height), torch.arange(view.width), indexing="ij")
    pixels = torch.stack([u, v, torch.ones_like(u)], dim=-1).reshape(-1, 3).double()
    target = (pixels @ view.detector_from_pixel().T).to(device, torch.float32)
    length = target.norm(dim=-1)[None, None]
    source = torch.zeros(1, 3, device=device)

    def draw(world_from_camera: Tensor) -> Tensor:
        voxel_from_camera = voxel_from_world @ world_from_camera
        ends = [se3.transform_points(voxel_from_camera, points) for points in (source, target)]
        return renderer(density, *ends, length, n_points=setting.samples).reshape(-1, 1, view.height, view.width)

    return _reverse_mode(setting, draw)


CONTENDERS: dict[str, Callable[[Setting], Contender]] = {
    "sphericalreg": sphericalreg,
    "nanodrr": nanodrr,
    "nanodrr compiled": nanodrr_compiled,
    "nanodrr graphs": nanodrr_graphs,
    "diffdrr": diffdrr,
}
#: Those that are measured where none are named: compiled code is slower on a CPU, and graphs are CUDA's.
PEERS = {
    "cpu": ("nanodrr", "diffdrr"),
    "cuda": ("nanodrr", "nanodrr compiled", "nanodrr graphs", "diffdrr"),
}


def in_twists(setting: Setting, derivative: Tensor) -> Tensor:
    """(B, 6) gradients of the sum of weights * images in twists about the volume's center, of what contenders give."""
    if derivative.ndim == 5:
        return (derivative * setting.weights[:, :, None]).sum(dim=(1, 3, 4)).cpu().double()
    twists = torch.zeros(len(setting.poses), 6, dtype=torch.float64, requires_grad=True)
    matrices = _world_from_camera(setting, twists)
    (gradient,) = torch.autograd.grad(matrices, twists, derivative.cpu().double())
    return gradient


def version(name: str) -> str | None:
    """The installed version of a peer, or None where it is not installed."""
    try:
        return metadata.version(name)
    except metadata.PackageNotFoundError:
        return None


def _world_from_camera(setting: Setting, twists: Tensor) -> Tensor:
    """(B, 4, 4) float64, on the CPU."""
    return se3.inverse(se3.about(twists, setting.poses, setting.volume.center))


def _matrices(setting: Setting) -> Tensor:
    """(B, 4, 4) float32 ``world_from_camera``, on the device."""
    twists = torch.zeros(len(setting.poses), 6, dtype=torch.float64)
    return _world_from_camera(setting, twists).to(setting.device, torch.float32)


def _step(setting: Setting, draw: _Draw, matrices: Tensor) -> tuple[Tensor, Tensor | None]:
    """Images and, where the matrices require one, the gradient."""
    with torch.set_grad_enabled(matrices.requires_grad):
        images = draw(matrices)
        if not matrices.requires_grad:
            return images, None
        (gradient,) = torch.autograd.grad((setting.weights * images).sum(), matrices)
    return images.detach(), gradient


def _reverse_mode(setting: Setting, draw: _Draw) -> Contender:
    matrices = {derivative: _matrices(setting).requires_grad_(derivative) for derivative in (False, True)}
    return lambda derivative: _step(setting, draw, matrices[derivative])


def _replayed(setting: Setting, draw: _Draw) -> Contender:
    """A graph of the image, and one of image and gradient; the poses are copied into it before each replay."""
    poses, recorded = _matrices(setting), {}
    for derivative in (False, True):
        matrices = poses.clone().requires_grad_(derivative)
        # whatever happens at a first call must have happened before recording
        aside = torch.cuda.Stream()
        aside.wait_stream(torch.cuda.current_stream())
        with torch.cuda.stream(aside):
            for _ in range(3):
                _step(setting, draw, matrices)
        torch.cuda.current_stream().wait_stream(aside)
        graph = torch.cuda.CUDAGraph()
        with torch.cuda.graph(graph):
            results = _step(setting, draw, matrices)
        recorded[derivative] = graph, matrices, results

    def run(derivative: bool) -> tuple[Tensor, Tensor | None]:
        graph, matrices, results = recorded[derivative]
        with torch.no_grad():
            matrices.copy_(poses)
        graph.replay()
        return results

    return run
