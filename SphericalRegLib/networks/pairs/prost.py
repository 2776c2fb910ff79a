"""ProST-m: two encoders, the mean squared difference of their features (Gao et al., MICCAI 2020, arXiv 2003.10987).

Three stages of a convolution, a residual bottleneck and pooling, of 16, 64 and 128 channels, then one to 64: features
of an eighth of the image's size. GroupNorm stands in place of BatchNorm, for batches are of two.
"""

from __future__ import annotations

from torch import Tensor, nn

from SphericalRegLib.networks.pairs.contract import PairNetwork

_GROUPS = 8


class ProstEncoder(nn.Sequential):
    """Images (B, 1, H, W) to features (B, 64, H/8, W/8)."""

    def __init__(self, width: int = 16) -> None:
        layers: list[nn.Module] = []
        before = 1
        for channels in (width, 4 * width, 8 * width):
            layers += [
                nn.Conv2d(before, channels, 3, padding=1),
                nn.GroupNorm(_GROUPS, channels),
                nn.ReLU(),
                Bottleneck(channels),
                nn.MaxPool2d(2),
            ]
            before = channels
        super().__init__(*layers, nn.Conv2d(before, 4 * width, 3, padding=1))


class Bottleneck(nn.Module):
    """x + a narrow path of three convolutions (He et al., CVPR 2016)."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        narrow = max(_GROUPS, channels // 4)
        self.path = nn.Sequential(
            nn.Conv2d(channels, narrow, 1),
            nn.GroupNorm(_GROUPS, narrow),
            nn.ReLU(),
            nn.Conv2d(narrow, narrow, 3, padding=1),
            nn.GroupNorm(_GROUPS, narrow),
            nn.ReLU(),
            nn.Conv2d(narrow, channels, 1),
            nn.GroupNorm(_GROUPS, channels),
        )

    def forward(self, maps: Tensor) -> Tensor:
        """See the class."""
        return (maps + self.path(maps)).relu()


class Prost(PairNetwork):
    """See the module.

    Args:
        size: of the images; 128 as published.
        width: channels of the first stage; 16 as published.
    """

    kind = "prost-m"

    def __init__(self, size: int = 128, width: int = 16) -> None:
        super().__init__(size, width=width)
        self.moving = ProstEncoder(width)
        self.fixed = ProstEncoder(width)
        # from equal weights on, so that at the true pose features agree before anything was learned (our choice)
        self.fixed.load_state_dict(self.moving.state_dict())

    def cost(self, drrs: Tensor, xrays: Tensor) -> Tensor:
        """See :class:`PairNetwork`."""
        return (self.moving(drrs) - self.fixed(xrays)).square().mean(dim=(1, 2, 3))
