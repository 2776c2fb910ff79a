"""The pose regressor R: one X-ray to a pose relative to the isocenter, and whether it looks like one of its range."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor, nn

from SphericalRegLib.errors import InputError
from SphericalRegLib.networks.backbones import make_backbone


@dataclass(frozen=True)
class Prediction:
    """What a regressor says of B images.

    Attributes:
        twists: (B, 6) from the nominal pose about the isocenter, in half widths of the declared range: within it all
            lie between −1 and 1.
        inside: (B,) log odds that the pose lies within the declared range.
    """

    twists: Tensor
    inside: Tensor


class PoseRegressor(nn.Module):
    """A backbone and a linear head.

    Args:
        backbone: by name, see :data:`~SphericalRegLib.networks.backbones.BACKBONES`.
        width: of the backbone.
        size: pixels along each side of its images.

    Raises:
        InputError: for a backbone that there is not, or a size or width that it cannot take.
        DeviceError: if timm is needed and not there.
    """

    def __init__(self, backbone: str = "resnet18", width: int = 32, size: int = 64) -> None:
        super().__init__()
        self.settings = {"backbone": backbone, "width": width, "size": size}
        self.size = size
        self.backbone, features = make_backbone(backbone, width, size)
        self.head = nn.Linear(features, 7)
        # the nominal pose, neither inside nor outside
        nn.init.zeros_(self.head.bias)
        nn.init.normal_(self.head.weight, std=0.01)

    def forward(self, images: Tensor) -> Prediction:
        """What standardized images (B, 1, size, size) show.

        Raises:
            InputError: for images of another shape.
        """
        if images.ndim != 4 or tuple(images.shape[1:]) != (1, self.size, self.size):
            raise InputError(
                f"This regressor takes images (B, 1, {self.size}, {self.size}), not {tuple(images.shape)}."
            )
        out = self.head(self.backbone(images))
        return Prediction(out[:, :6], out[:, 6])


def count_weights(module: nn.Module) -> int:
    """Numbers that are trained, each once."""
    return sum(parameter.numel() for parameter in module.parameters() if parameter.requires_grad)


def half_precision(state: dict[str, Tensor]) -> dict[str, Tensor]:
    """A copy of a state with its floating point numbers in 16 bits, for small files.

    Raises:
        InputError: if a number is too large for 16 bits.
    """
    small = {name: value.half() if value.is_floating_point() else value for name, value in state.items()}
    for name, value in small.items():
        if value.is_floating_point() and not bool(torch.isfinite(value).all()):
            raise InputError(f"The weights {name} do not fit into 16 bits: they are not finite, or above 65504.")
    return small
