"""The rays of a batch of cameras, in the voxel coordinates of a volume: what every kernel starts from."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, fields, replace
from typing import Any

import torch
from torch import Tensor

from SphericalRegLib.errors import GeometryError
from SphericalRegLib.geometry import se3
from SphericalRegLib.geometry.view import View
from SphericalRegLib.geometry.volume import Volume


@dataclass(frozen=True)
class Rays:
    """B cameras of H × W pixels, all on one device, float64 where that has it.

    The ray of pixel (u, v) runs from ``source`` (at parameter 0) to ``source + direction @ [u, v, 1]`` on the detector
    (at parameter 1), in voxel coordinates (i, j, k).

    Attributes:
        source: (B, 3) voxel coordinates of the X-ray source.
        direction: (B, 3, 3) voxel coordinates per (u, v, 1).
        rig_direction: (B, 3, 3) the same in the rig's axes, mm; its norm is the ray's length.
        lever: (B, 3) from the isocenter to the source in the rig's axes, mm.
        voxel_from_rig: (B, 3, 3) voxel coordinates per mm along the rig's axes.
        height, width: pixels.
    """

    source: Tensor
    direction: Tensor
    rig_direction: Tensor
    lever: Tensor
    voxel_from_rig: Tensor
    height: int
    width: int

    @property
    def batch(self) -> int:
        """B, the number of cameras."""
        return self.source.shape[0]

    def memory_order(self) -> tuple[int, int, int]:
        """Voxel axes from slowest to fastest in memory: neighboring columns of the image should share cache lines."""
        columns = self.direction[0, :, 0].abs()
        rows = self.direction[0, :, 1].abs().clone()
        fastest = int(columns.argmax())
        rows[fastest] = -1
        middle = int(rows.argmax())
        return 3 - fastest - middle, middle, fastest

    def to(self, device: torch.device | str) -> Rays:
        """The same rays elsewhere, float32 where there is no float64."""
        dtype = torch.float64 if has_float64(device) else torch.float32
        tensors = {f.name: getattr(self, f.name) for f in fields(self) if isinstance(getattr(self, f.name), Tensor)}
        return replace(self, **{name: tensor.to(device, dtype) for name, tensor in tensors.items()})


def has_float64(device: torch.device | str) -> bool:
    """Whether a device computes in float64: Apple's GPUs do not."""
    return torch.device(device).type != "mps"


def cast_rays(volume: Volume, view: View | Sequence[View], poses: Tensor, device: torch.device | str = "cpu") -> Rays:
    """The rays of poses ``rig_from_world`` (B, 4, 4) through one view, or through B views of one image size.

    Computed in float64 on the device that they are wanted on, or on the CPU where that has none.

    Raises:
        GeometryError: if poses are not (B, 4, 4) finite, or views differ in size or number.
    """
    poses = poses.detach()
    if poses.ndim != 3 or poses.shape[1:] != (4, 4):
        raise GeometryError(f"Poses must be (B, 4, 4), not {tuple(poses.shape)}.")
    if not torch.isfinite(poses).all():
        raise GeometryError("A pose holds NaN or infinity: the step that made it diverged; start closer.")
    views = [view] if isinstance(view, View) else list(view)
    sizes = {(v.height, v.width) for v in views}
    if len(sizes) != 1 or len(views) not in (1, poses.shape[0]):
        raise GeometryError(
            f"{poses.shape[0]} poses need one view or as many views of one size; got {len(views)} of sizes {sizes}."
        )
    height, width = sizes.pop()
    exact: dict[str, Any] = {"dtype": torch.float64, "device": device if has_float64(device) else "cpu"}
    poses = poses.to(**exact)
    # views and volumes are described on the CPU: what does not depend on poses is computed there, and is small
    rig_from_camera = torch.stack([v.rig_from_camera for v in views]).to(**exact)
    detector = torch.stack([v.detector_from_pixel() for v in views]).to(**exact)
    voxel_from_world = volume.voxel_from_world.to(**exact)
    rig_from_camera, detector = rig_from_camera.expand(len(poses), 4, 4), detector.expand(len(poses), 3, 3)
    voxel_from_rig = voxel_from_world @ se3.inverse(poses)
    source_in_rig = rig_from_camera[:, :3, 3]
    isocenter_in_rig = se3.transform_points(poses, volume.center.to(**exact)[None])[:, 0]
    linear = voxel_from_rig[:, :3, :3]
    rig_direction = rig_from_camera[:, :3, :3] @ detector
    return Rays(
        source=(linear @ source_in_rig[..., None])[..., 0] + voxel_from_rig[:, :3, 3],
        direction=linear @ rig_direction,
        rig_direction=rig_direction,
        lever=source_in_rig - isocenter_in_rig,
        voxel_from_rig=linear,
        height=height,
        width=width,
    ).to(device)
