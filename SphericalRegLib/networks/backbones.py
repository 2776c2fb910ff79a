"""Image backbones of the pose regressor by name: timm's, and X-ray PoseNet."""

from __future__ import annotations

import re
import sys
import types
from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor, nn

from SphericalRegLib.errors import DeviceError, InputError

# Operators that torchvision declares and we never call; more than there are, so that the loop below ends.
_MOST_OPERATORS = 20
# Of timm's group normalization.
_GROUPS = 32
_declared = torch.library.Library("torchvision", "FRAGMENT")


def make_backbone(name: str, width: int, size: int) -> tuple[nn.Module, int]:
    """An untrained network of images (B, 1, size, size) to features (B, F), and F.

    Args:
        name: from :data:`BACKBONES`.
        width: channels of the first stage, which set the size of the rest: 64 is a resnet18, 96 a tiny Swin.
        size: pixels along each side; only Swin and PoseNet are bound to it.

    Raises:
        InputError: for an unknown name, or a size or width that the backbone cannot take.
        DeviceError: if timm is not installed or cannot be imported.
    """
    if name not in BACKBONES:
        raise InputError(f"There is no backbone {name!r}: choose from {', '.join(BACKBONES)}.")
    if width < 8 or width % 8:
        raise InputError(f"A backbone's width {width} must be a multiple of 8.")
    if size < 32 or size % 32:
        raise InputError(f"A backbone's image size {size} must be a multiple of 32.")
    return BACKBONES[name](width, size)


class PoseNet(nn.Module):
    """X-ray PoseNet (Bui et al., OR 2.0 at MICCAI 2017): a plain network of convolutions, pooling and a dense layer."""

    def __init__(self, width: int, size: int) -> None:
        super().__init__()
        layers: list[nn.Module] = []
        before = 1
        for stage, channels in enumerate((width, 2 * width, 4 * width, 4 * width, 8 * width)):
            layers += [nn.Conv2d(before, channels, 5 if stage == 0 else 3, padding=2 if stage == 0 else 1), nn.ReLU()]
            layers.append(nn.MaxPool2d(2))
            before = channels
        self.num_features = 16 * width
        self.layers = nn.Sequential(
            *layers, nn.Flatten(), nn.Linear(before * (size // 32) ** 2, self.num_features), nn.ReLU()
        )

    def forward(self, images: Tensor) -> Tensor:
        """Features (B, 16 · width) of images (B, 1, size, size)."""
        features: Tensor = self.layers(images)
        return features


def _resnet18(width: int, size: int) -> tuple[nn.Module, int]:
    if width % _GROUPS:
        raise InputError(f"resnet18's width {width} must be a multiple of its {_GROUPS} groups of channels.")
    channels = tuple(width * 2**stage for stage in range(4))
    return _from_timm("resnet18", norm_layer="groupnorm", channels=channels)


def _convnext(width: int, size: int) -> tuple[nn.Module, int]:
    return _from_timm("convnext_atto", dims=tuple(width * 2**stage for stage in range(4)))


def _swin(width: int, size: int) -> tuple[nn.Module, int]:
    if width % 32:
        raise InputError(f"swin's width {width} must be a multiple of 32, the size of its heads.")
    heads = tuple(width // 32 * 2**stage for stage in range(4))
    # a quarter of the first grid, at least 2, divides it and those that follow
    window = max(1, size // 32)
    return _from_timm(
        "swin_tiny_patch4_window7_224", img_size=size, window_size=window, embed_dim=width, num_heads=heads
    )


def _posenet(width: int, size: int) -> tuple[nn.Module, int]:
    network = PoseNet(width, size)
    return network, network.num_features


#: What :func:`make_backbone` knows.
BACKBONES: dict[str, Callable[[int, int], tuple[nn.Module, int]]] = {
    "resnet18": _resnet18,
    "convnext": _convnext,
    "swin": _swin,
    "posenet": _posenet,
}


def _from_timm(name: str, **options: Any) -> tuple[nn.Module, int]:
    network = _timm().create_model(name, pretrained=False, in_chans=1, num_classes=0, **options)
    return network, int(network.num_features)


def _timm() -> types.ModuleType:
    """timm, also where torchvision was built for another torch than is installed.

    timm imports torchvision, which is published for CUDA only on some platforms. Beside a CPU torch its operators
    cannot be loaded, and its import stops where it describes them. None of the backbones calls them: they are declared
    by name, so that an attempt to call one is still an error.
    """
    for _ in range(_MOST_OPERATORS):
        try:
            import timm

            return timm
        except ImportError as error:
            raise DeviceError(
                f'The pose regressor\'s backbone needs timm ({error}): run pip install "sphericalreg[learned]".'
            ) from error
        except RuntimeError as error:
            missing = re.search(r"operator torchvision::(\w+) does not exist", str(error))
            if missing is None:
                raise DeviceError(
                    f"timm cannot be imported ({error}): install a torchvision that fits torch."
                ) from error
            _declared.define(f"{missing[1]}(Tensor unused) -> Tensor")
            for module in [m for m in sys.modules if m.partition(".")[0] in ("torchvision", "timm")]:
                del sys.modules[module]
    raise DeviceError("timm cannot be imported beside this torchvision: install a torchvision that fits torch.")
