"""CDreg: what both images share at low frequencies and at high ones, compared apart (Chen et al., ISBI 2024).

arXiv 2402.02498. A shallow encoder that both images share (8-16-32-64-64 channels, to a sixteenth of the size, tokens
mixed through their mean); then for each image a block of Fourier convolutions for what is global and three affine
couplings for what is local. Squared differences of both go through gated perceptrons to one number each. As published
the perceptrons see all 16,384 differences, some 177 million weights each: here they see the mean of each channel (our
choice: "pooled head").
"""

from __future__ import annotations

import torch
from torch import Tensor, nn

from SphericalRegLib.networks.pairs.contract import PairNetwork

_STAGES = (8, 16, 32, 64, 64)
_BLOCKS, _COUPLINGS = 2, 3


class MeanMixer(nn.Module):
    """Tokens learn of one another through their mean, then each through a perceptron of twice the width."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.norm, self.mean = nn.GroupNorm(1, channels), nn.Linear(channels, channels)
        self.perceptron = nn.Sequential(
            nn.GroupNorm(1, channels),
            nn.Conv2d(channels, 2 * channels, 1),
            nn.GELU(),
            nn.Conv2d(2 * channels, channels, 1),
        )

    def forward(self, maps: Tensor) -> Tensor:
        """Maps (B, C, H, W)."""
        maps = maps + self.mean(self.norm(maps).mean(dim=(2, 3)))[:, :, None, None]
        mixed: Tensor = maps + self.perceptron(maps)
        return mixed


class FourierBlock(nn.Module):
    """x + a convolution of the spectrum: every place sees every other."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.spectrum = nn.Sequential(
            nn.Conv2d(2 * channels, 2 * channels, 1), nn.GELU(), nn.Conv2d(2 * channels, 2 * channels, 1)
        )
        self.local = nn.Conv2d(channels, channels, 3, padding=1)

    def forward(self, maps: Tensor) -> Tensor:
        """Maps (B, C, H, W)."""
        spectrum = torch.fft.rfft2(maps, norm="ortho")
        mixed = self.spectrum(torch.cat([spectrum.real, spectrum.imag], dim=1))
        real, imaginary = mixed.chunk(2, dim=1)
        back = torch.fft.irfft2(torch.complex(real, imaginary), s=(maps.shape[-2], maps.shape[-1]), norm="ortho")
        added: Tensor = maps + back + self.local(maps)
        return added


class Coupling(nn.Module):
    """One half of the channels scales and shifts the other, and then the other way round: nothing is lost."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        half = channels // 2
        self.first, self.second = (
            nn.Sequential(nn.Conv2d(half, half, 3, padding=1), nn.GELU(), nn.Conv2d(half, channels, 3, padding=1))
            for _ in range(2)
        )

    def forward(self, maps: Tensor) -> Tensor:
        """Maps (B, C, H, W)."""
        a, b = maps.chunk(2, dim=1)
        scale, shift = self.first(a).chunk(2, dim=1)
        b = b * scale.tanh().exp() + shift
        scale, shift = self.second(b).chunk(2, dim=1)
        return torch.cat([a * scale.tanh().exp() + shift, b], dim=1)

    def inverse(self, maps: Tensor) -> Tensor:
        """What :meth:`forward` was given."""
        a, b = maps.chunk(2, dim=1)
        scale, shift = self.second(b).chunk(2, dim=1)
        a = (a - shift) * (-scale.tanh()).exp()
        scale, shift = self.first(a).chunk(2, dim=1)
        return torch.cat([a, (b - shift) * (-scale.tanh()).exp()], dim=1)


class Gated(nn.Module):
    """Differences (B, C) to one number: a perceptron whose hidden values are gated."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.hidden, self.out = nn.Linear(channels, 2 * channels), nn.Linear(channels, 1)

    def forward(self, differences: Tensor) -> Tensor:
        """(B, 1)"""
        values, gate = self.hidden(differences).chunk(2, dim=-1)
        number: Tensor = self.out(values * gate.sigmoid())
        return number


class DualBranch(PairNetwork):
    """See the module.

    Args:
        size: of the images; 256 as published.
    """

    kind = "cdreg"

    def __init__(self, size: int = 128) -> None:
        super().__init__(size)
        layers: list[nn.Module] = [nn.Conv2d(1, _STAGES[0], 3, padding=1)]
        before = _STAGES[0]
        for number, channels in enumerate(_STAGES):
            if number:
                layers.append(nn.Conv2d(before, channels, 2, stride=2))
            layers += [MeanMixer(channels) for _ in range(_BLOCKS)]
            before = channels
        self.shallow = nn.Sequential(*layers)
        # of DRRs and of X-rays
        self.low = nn.ModuleList(FourierBlock(before) for _ in range(2))
        self.high = nn.ModuleList(nn.Sequential(*(Coupling(before) for _ in range(_COUPLINGS))) for _ in range(2))
        for branch in (self.low, self.high):
            branch[1].load_state_dict(branch[0].state_dict())
        self.low_head, self.high_head = Gated(before), Gated(before)

    def cost(self, drrs: Tensor, xrays: Tensor) -> Tensor:
        """See :class:`PairNetwork`."""
        low, high = self._features(drrs, xrays)
        total = self.low_head(_pooled(*low)) + self.high_head(_pooled(*high))
        return self.positive(total)[:, 0]

    def regularizer(self, drrs: Tensor, xrays: Tensor) -> Tensor:
        """Local ones should differ, global ones agree: NCC(high)² / (NCC(low) + 1.01) (Zhao et al., CVPR 2023)."""
        low, high = self._features(drrs, xrays)
        return _correlation(*high).square() / (_correlation(*low) + 1.01)

    def _features(self, drrs: Tensor, xrays: Tensor) -> tuple[tuple[Tensor, Tensor], tuple[Tensor, Tensor]]:
        """Low and high ones, of DRR and X-ray."""
        shallow = self.shallow(torch.cat([drrs, xrays])).chunk(2)
        low = self.low[0](shallow[0]), self.low[1](shallow[1])
        return low, (self.high[0](shallow[0]), self.high[1](shallow[1]))


def _pooled(a: Tensor, b: Tensor) -> Tensor:
    """(B, C): the mean squared difference of each channel."""
    return (a - b).square().mean(dim=(2, 3))


def _correlation(a: Tensor, b: Tensor) -> Tensor:
    """(B,) of all features."""
    a, b = (one.flatten(1) - one.flatten(1).mean(1, keepdim=True) for one in (a, b))
    return (a * b).sum(1) / (a.square().sum(1) * b.square().sum(1) + 1e-12).sqrt()
