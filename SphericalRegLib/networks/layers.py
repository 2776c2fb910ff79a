"""The encoder's layers, each with its derivative along several directions at once, written out.

``linearize(values, tangents)`` is what :func:`torch.func.jvp` under :func:`torch.func.vmap` would give (a test compares
them), in less than half the time: what does not depend on the direction is computed once, and large tangents are
changed in place. Values have shape (B, ...), tangents (B, P, ...): P directions. Tangents that are given may be
overwritten. Both parts can be differentiated by the weights, as training does.
"""

from __future__ import annotations

import math

import torch
import torch.nn.functional as F
from torch import Tensor, nn

# Along the longer axis of the grid that attention looks at.
_KEYS = 8

Pair = tuple[Tensor, Tensor]


class Convolution(nn.Conv2d):
    """Convolution of maps (B, C, H, W)."""

    def linearize(self, values: Tensor, tangents: Tensor) -> Pair:
        """See the module."""
        moved = self._conv_forward(tangents.flatten(0, 1), self.weight, None)
        return self(values), moved.unflatten(0, tangents.shape[:2])


class Linear(nn.Linear):
    """Linear map of tokens (B, N, channels)."""

    def linearize(self, values: Tensor, tangents: Tensor) -> Pair:
        """See the module."""
        return self(values), F.linear(tangents, self.weight)


class GELU(nn.GELU):
    """Gaussian error linear unit of each value."""

    def linearize(self, values: Tensor, tangents: Tensor) -> Pair:
        """See the module."""
        slopes = torch.ops.aten.gelu_backward(torch.ones_like(values), values, approximate=self.approximate)
        return self(values), _times(tangents, slopes[:, None])


class LayerNorm(nn.Module):
    """Layer normalization of tokens (B, N, width).

    Written out: gradients through the forward derivative of torch's own are wrong (2.13).
    """

    def __init__(self, width: int) -> None:
        super().__init__()
        self.weight, self.bias = nn.Parameter(torch.ones(width)), nn.Parameter(torch.zeros(width))

    def forward(self, tokens: Tensor) -> Tensor:
        """Normalized tokens."""
        return torch.addcmul(self.bias, self._standardized(tokens)[0], self.weight)

    def linearize(self, values: Tensor, tangents: Tensor) -> Pair:
        """See the module."""
        unit, scale = self._standardized(values)
        shift = tangents.mean(-1, keepdim=True)
        stretch = (tangents * unit[:, None]).mean(-1, keepdim=True)
        moved = _minus_product(tangents - shift, stretch, unit[:, None])
        return torch.addcmul(self.bias, unit, self.weight), _times(moved, (scale * self.weight)[:, None])

    @staticmethod
    def _standardized(tokens: Tensor) -> Pair:
        """Tokens of mean 0 and deviation 1, and what they were multiplied by."""
        centered = tokens - tokens.mean(-1, keepdim=True)
        scale = (centered.square().mean(-1, keepdim=True) + 1e-5).rsqrt()
        return centered * scale, scale


class GroupNorm(nn.Module):
    """Group normalization of maps (B, width, H, W), written out: the derivative needs what it computes."""

    def __init__(self, width: int, groups: int = 4) -> None:
        super().__init__()
        self.groups = groups
        self.weight, self.bias = nn.Parameter(torch.ones(width)), nn.Parameter(torch.zeros(width))

    def forward(self, maps: Tensor) -> Tensor:
        """Normalized maps."""
        scale, shift, _mean = self._of_channels(maps)
        # one product per pixel, with what is known of the whole group
        return torch.addcmul(shift, maps, scale * self.weight[:, None, None])

    def linearize(self, values: Tensor, tangents: Tensor) -> Pair:
        """See the module."""
        scale, shift, mean = self._of_channels(values)
        unit = ((values - mean) * scale).unflatten(1, (self.groups, -1)).flatten(2)  # (B, G, n)
        grouped = tangents.unflatten(2, (self.groups, -1)).flatten(3)  # (B, P, G, n)
        stretch = torch.einsum("bpgn,bgn->bpg", grouped, unit)[..., None] / unit.shape[-1]
        moved = _minus(grouped, grouped.mean(-1, keepdim=True))
        moved = _minus_product(moved, stretch, unit[:, None]).view_as(tangents)
        scale = scale * self.weight[:, None, None]
        return torch.addcmul(shift, values, scale), _times(moved, scale[:, None])

    def _of_channels(self, maps: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """Each channel's 1/deviation, bias minus mean in the output's scale, and mean: (B, C, 1, 1) each."""
        variance, mean = torch.var_mean(maps.unflatten(1, (self.groups, -1)).flatten(2), dim=-1, correction=0)
        each = maps.shape[1] // self.groups
        scale, mean = (of.repeat_interleave(each, 1)[:, :, None, None] for of in ((variance + 1e-5).rsqrt(), mean))
        return scale, self.bias[:, None, None] - mean * scale * self.weight[:, None, None], mean


class Block(nn.Module):
    """Pre-norm transformer block on tokens (B, H·W, width).

    Every token looks at an H/r × W/r grid of averages (spatial reduction; Wang et al., ICCV 2021), not larger than
    8 × 8: attention among all 32 × 32 tokens and its six derivatives would take most of a step's time.
    """

    def __init__(self, width: int, heads: int) -> None:
        super().__init__()
        self.heads = heads
        self.before, self.between = LayerNorm(width), LayerNorm(width)
        self.seen = LayerNorm(width)
        self.query, self.key_value = Linear(width, width), Linear(width, 2 * width)
        self.merge = Linear(width, width)
        self.widen, self.narrow = Linear(width, 2 * width), Linear(2 * width, width)
        self.bend = GELU()

    def forward(self, tokens: Tensor, height: int, width: int) -> Tensor:
        """Tokens of the same shape."""
        normed = self.before(tokens)
        query = self._heads_of(self._scaled(self.query(normed)))
        key, value = self._keys_of(self.key_value(self.seen(_averaged(normed, height, width))))
        attention = torch.softmax(query @ key.mT, dim=-1)
        tokens = tokens + self.merge(_joined(attention @ value))
        return tokens + self.narrow(self.bend(self.widen(self.between(tokens))))

    def linearize(self, values: Tensor, tangents: Tensor, height: int, width: int) -> Pair:
        """See the module."""
        normed, along = self.before.linearize(values, tangents)
        queries = self.query.linearize(normed, along)
        query, query_along = (self._heads_of(self._scaled(each)) for each in queries)
        seen = self.seen.linearize(*(_averaged(each, height, width) for each in (normed, along)))
        (key, value), (key_along, value_along) = (self._keys_of(each) for each in self.key_value.linearize(*seen))
        attention = torch.softmax(query @ key.mT, dim=-1)
        weighed = query_along @ key.mT[:, None]
        weighed = _times(weighed.add_(query[:, None] @ key_along.mT), attention[:, None])
        mixed = attention @ value
        # softmax's derivative: A∘(dS − Σ A∘dS), here already times the values
        mixed_along = weighed @ value[:, None] - weighed.sum(-1, keepdim=True) * mixed[:, None]
        mixed_along = mixed_along.add_(attention[:, None] @ value_along)
        merged, merged_along = self.merge.linearize(_joined(mixed), _joined(mixed_along))
        values, tangents = values + merged, tangents + merged_along
        bent = self.bend.linearize(*self.widen.linearize(*self.between.linearize(values, tangents)))
        added, added_along = self.narrow.linearize(*bent)
        return values + added, added_along.add_(tangents)

    def _scaled(self, query: Tensor) -> Tensor:
        # before the product: there are fewer queries than scores
        return query * (query.shape[-1] // self.heads) ** -0.5

    def _heads_of(self, tokens: Tensor) -> Tensor:
        """(..., heads, N, width/heads) of tokens (..., N, width)."""
        return tokens.unflatten(-1, (self.heads, -1)).transpose(-2, -3)

    def _keys_of(self, both: Tensor) -> Pair:
        """Keys and values in heads of tokens (..., N, 2 · width)."""
        key, value = both.chunk(2, dim=-1)
        return self._heads_of(key), self._heads_of(value)


def _averaged(tokens: Tensor, height: int, width: int) -> Tensor:
    """Averages (..., M, width) of neighboring tokens (..., H·W, width)."""
    reduction = max(1, math.ceil(max(height, width) / _KEYS))
    maps = tokens.mT.unflatten(-1, (height, width)).flatten(0, -4)
    averages = F.avg_pool2d(maps, reduction, ceil_mode=True).flatten(-2)
    return averages.unflatten(0, tokens.shape[:-2]).mT


def _joined(tokens: Tensor) -> Tensor:
    """(..., N, width) of tokens in heads (..., heads, N, width/heads)."""
    return tokens.transpose(-2, -3).flatten(-2)


def _kept_for_gradients(*tensors: Tensor) -> bool:
    return torch.is_grad_enabled() and any(tensor.requires_grad for tensor in tensors)


def _times(tangents: Tensor, factor: Tensor) -> Tensor:
    """Their product, in place where no gradient needs the tangents."""
    return tangents * factor if _kept_for_gradients(tangents, factor) else tangents.mul_(factor)


def _minus(tangents: Tensor, other: Tensor) -> Tensor:
    """Their difference, likewise."""
    return tangents - other if _kept_for_gradients(tangents, other) else tangents.sub_(other)


def _minus_product(tangents: Tensor, first: Tensor, second: Tensor) -> Tensor:
    """tangents − first · second, likewise."""
    if _kept_for_gradients(tangents, first, second):
        return tangents - first * second
    return tangents.addcmul_(first, second, value=-1)
