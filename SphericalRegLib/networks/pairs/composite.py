"""SOPI's fine stage: features of three levels, compared by their squared differences (Chen et al., ICASSP 2024).

arXiv 2305.06252. Each image has an encoder of its own: a stem to an eighth of the size, an assistant branch of three
blocks whose deeper ones help the upper ones, and a leader branch of two that is fed by it. Blocks attend to one of two
splits of their channels, and look far through a dilated kernel. Training looks at the leader's last level alone, use at
all three. Widths are a quarter of those published (our choice: "reduced").
"""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from SphericalRegLib.networks.pairs.contract import PairNetwork

_GROUPS, _FOCAL = 4, 7


class SplitBlock(nn.Module):
    """x + a path whose two splits are weighed against one another by what the whole image shows (ResNeSt, 2020)."""

    def __init__(self, before: int, after: int, stride: int = 1) -> None:
        super().__init__()
        self.splits = nn.ModuleList(nn.Conv2d(before, after, 3, stride, padding=1) for _ in range(2))
        self.norms = nn.ModuleList(nn.GroupNorm(_GROUPS, after) for _ in range(2))
        self.attention = nn.Sequential(nn.Linear(after, after), nn.ReLU(), nn.Linear(after, 2 * after))
        # dilated by 2 it sees 13 pixels with the weights of 7
        self.focal = nn.Conv2d(after, after, _FOCAL, padding=_FOCAL - 1, dilation=2, groups=after)
        self.out = nn.Sequential(nn.Conv2d(after, after, 1), nn.GroupNorm(_GROUPS, after))
        self.around = nn.Conv2d(before, after, 1, stride)

    def forward(self, maps: Tensor) -> Tensor:
        """Maps (B, C, H, W)."""
        first, second = (norm(split(maps)).relu() for split, norm in zip(self.splits, self.norms, strict=True))
        seen = self.attention((first + second).mean(dim=(2, 3))).unflatten(1, (2, -1)).softmax(1)[..., None, None]
        mixed = seen[:, 0] * first + seen[:, 1] * second
        return (self.out(mixed + self.focal(mixed)) + self.around(maps)).relu()


class CompositeEncoder(nn.Module):
    """Images (B, 1, H, W) to features of an eighth, an eighth and a sixteenth of the size.

    Args:
        width: channels of the first two; 64 as published. The last one has twice as many.
    """

    def __init__(self, width: int = 16) -> None:
        super().__init__()
        self.stem = nn.Sequential(
            nn.Conv2d(1, 4, 3, 2, padding=1),
            nn.ReLU(),
            nn.Conv2d(4, 16, 3, 2, padding=1),
            nn.ReLU(),
            nn.Conv2d(16, width, 3, 2, padding=1),
            nn.GroupNorm(_GROUPS, width),
            nn.ReLU(),
        )
        sizes = (width, 2 * width, 4 * width)
        self.assistant = nn.ModuleList(
            SplitBlock(a, b, stride) for a, b, stride in zip((width, *sizes[:2]), sizes, (1, 2, 2), strict=True)
        )
        self.down = nn.ModuleList(nn.Conv2d(sizes[n + 1], sizes[n], 1) for n in range(2))
        self.leader = nn.ModuleList([SplitBlock(width, width), SplitBlock(width, 2 * width, 2)])
        self.fed = nn.ModuleList(nn.Conv2d(size, size, 1) for size in sizes[:2])

    def forward(self, images: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """See the class."""
        stem = self.stem(images)
        one = self.assistant[0](stem)
        two = self.assistant[1](one)
        three = self.assistant[2](two)
        two = two + self.down[1](F.interpolate(three, size=two.shape[-2:]))
        one = one + self.down[0](F.interpolate(two, size=one.shape[-2:]))
        leading = self.leader[0](stem) + self.fed[0](one)
        last = self.leader[1](leading) + self.fed[1](two)
        return one, leading, last


class Composite(PairNetwork):
    """See the module.

    Args:
        size: of the images; 256 as published.
        width: of the encoders; 64 as published.
    """

    kind = "sopi"

    def __init__(self, size: int = 128, width: int = 16) -> None:
        super().__init__(size, width=width)
        self.moving = CompositeEncoder(width)
        self.fixed = CompositeEncoder(width)
        # from equal weights on, so that at the true pose features agree before anything was learned (our choice)
        self.fixed.load_state_dict(self.moving.state_dict())

    def cost(self, drrs: Tensor, xrays: Tensor) -> Tensor:
        """See :class:`PairNetwork`; of the last level while it is trained, of all three afterwards."""
        levels = [
            (a - b).square().mean(dim=(1, 2, 3)) for a, b in zip(self.moving(drrs), self.fixed(xrays), strict=True)
        ]
        return levels[-1] if self.training else torch.stack(levels).sum(0)
