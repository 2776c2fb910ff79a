"""SphericalReg and its peers behind one call: an image, and if asked for its derivative in the six pose parameters.

Every contender gets the same volume, rays, number of samples and pose parameters (a twist about the volume's center
in camera axes), so that images and gradients can be compared as well as times.
"""

from __future__ import annotations

from collections.abc import Callable
from importlib import metadata

import torch
from setting import Setting
from torch import Tensor

from SphericalRegLib.geometry import se3
from SphericalRegLib.rendering import linearize, render

#: (derivative wanted?) -> image (1, 1, H, W) and, if wanted, the gradient (6,) of the sum of weights * image.
Contender = Callable[[bool], tuple[Tensor, "Tensor | None"]]


def sphericalreg(setting: Setting) -> Contender:
    """Ours; the derivative is the whole Jacobian (1, 1, 6, H, W), of which peers give one row combination."""
    poses = setting.pose[None]

    def run(derivative: bool) -> tuple[Tensor, Tensor | None]:
        if not derivative:
            return render(setting.volume, setting.view, poses, samples=setting.samples), None
        return linearize(setting.volume, setting.view, poses, samples=setting.samples)

    return run


def nanodrr(setting: Setting) -> Contender:
    """nanodrr's own module and its choice of backend; reverse mode."""
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
    return _reverse_mode(setting, lambda world_from_camera: drr(subject, world_from_camera, n_samples=setting.samples))


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
        return renderer(density, *ends, length, n_points=setting.samples).reshape(1, 1, view.height, view.width)

    return _reverse_mode(setting, draw)


CONTENDERS: dict[str, Callable[[Setting], Contender]] = {
    "sphericalreg": sphericalreg,
    "nanodrr": nanodrr,
    "diffdrr": diffdrr,
}


def version(name: str) -> str | None:
    """The installed version of a peer, or None where it is not installed."""
    try:
        return metadata.version(name)
    except metadata.PackageNotFoundError:
        return None


def _reverse_mode(setting: Setting, draw: Callable[[Tensor], Tensor]) -> Contender:
    pose = setting.pose.to(setting.device, torch.float32)
    center = setting.volume.center.to(pose)

    def run(derivative: bool) -> tuple[Tensor, Tensor | None]:
        twist = torch.zeros(6, device=setting.device, requires_grad=derivative)
        with torch.set_grad_enabled(derivative):
            image = draw(se3.inverse(se3.about(twist, pose, center))[None])
            if not derivative:
                return image, None
            (gradient,) = torch.autograd.grad((setting.weights * image).sum(), twist)
        return image.detach(), gradient

    return run
