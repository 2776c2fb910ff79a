"""ProST-t: DRR and X-ray as two channels of one image, through a CrossViT, to one number.

C. Gao et al., IEEE TMI 43 (2024), after CrossViT (Chen, Fan and Panda, ICCV 2021). Three multi-scale layers; patches of
8 pixels (width 16, depth 2) and of 64 (width 64, depth 3), four heads, cross attention of depth 2, 1000 features, one
number. At other sizes than 128² patches shrink with the image, so that there are always 256 and 4 of them.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn

from SphericalRegLib.networks.pairs.contract import PairNetwork

# Patches along each side, widths and depths of the two branches, as published for 128².
_SIDES, _WIDTHS, _DEPTHS = (16, 2), (16, 64), (2, 3)
_HEADS, _HEAD_WIDTH, _MLP, _LAYERS, _CROSSINGS, _FEATURES = 4, 16, 256, 3, 2, 1000


class Attention(nn.Module):
    """Attention of queries (B, N, C) to a context (B, M, C), written out: it is differentiated twice."""

    def __init__(self, width: int, head_width: int = _HEAD_WIDTH) -> None:
        super().__init__()
        inner = _HEADS * head_width
        self.norm = nn.LayerNorm(width)
        self.query = nn.Linear(width, inner, bias=False)
        self.key_value = nn.Linear(width, 2 * inner, bias=False)
        self.out = nn.Linear(inner, width)

    def forward(self, tokens: Tensor, context: Tensor | None = None) -> Tensor:
        """What the tokens gather."""
        tokens = self.norm(tokens)
        context = tokens if context is None else context
        query = self.query(tokens).unflatten(-1, (_HEADS, -1)).transpose(1, 2)
        key, value = (
            part.unflatten(-1, (_HEADS, -1)).transpose(1, 2) for part in self.key_value(context).chunk(2, dim=-1)
        )
        weights = (query @ key.transpose(-1, -2) / query.shape[-1] ** 0.5).softmax(-1)
        gathered: Tensor = self.out((weights @ value).transpose(1, 2).flatten(2))
        return gathered


class Transformer(nn.Module):
    """Blocks of self-attention and a perceptron."""

    def __init__(self, width: int, depth: int) -> None:
        super().__init__()
        self.attention = nn.ModuleList(Attention(width) for _ in range(depth))
        self.perceptron = nn.ModuleList(
            nn.Sequential(nn.LayerNorm(width), nn.Linear(width, _MLP), nn.GELU(), nn.Linear(_MLP, width))
            for _ in range(depth)
        )
        self.norm = nn.LayerNorm(width)

    def forward(self, tokens: Tensor) -> Tensor:
        """Tokens (B, N, C)."""
        for attention, perceptron in zip(self.attention, self.perceptron, strict=True):
            tokens = tokens + attention(tokens)
            tokens = tokens + perceptron(tokens)
        normalized: Tensor = self.norm(tokens)
        return normalized


class Crossing(nn.Module):
    """The class token of one branch looks at the patches of the other, brought to its own width."""

    def __init__(self, width: int, other: int) -> None:
        super().__init__()
        self.to_other, self.back = nn.Linear(width, other), nn.Linear(other, width)
        self.attention = nn.ModuleList(Attention(other) for _ in range(_CROSSINGS))

    def forward(self, token: Tensor, patches: Tensor) -> Tensor:
        """Tokens (B, 1, C) after looking at (B, N, other)."""
        query = self.to_other(token)
        for attention in self.attention:
            query = query + attention(query, torch.cat([query, patches], dim=1))
        back: Tensor = token + self.back(query)
        return back


class CrossVit(PairNetwork):
    """See the module.

    Args:
        size: of the images; 128 as published.
    """

    kind = "prost-t"

    def __init__(self, size: int = 128) -> None:
        super().__init__(size)
        patches = [size // side for side in _SIDES]
        self.embeds = nn.ModuleList(
            nn.Conv2d(2, width, patch, stride=patch) for width, patch in zip(_WIDTHS, patches, strict=True)
        )
        self.positions = nn.ParameterList(
            0.02 * torch.randn(1, side**2 + 1, width) for side, width in zip(_SIDES, _WIDTHS, strict=True)
        )
        self.classes = nn.ParameterList(0.02 * torch.randn(1, 1, width) for width in _WIDTHS)
        small, large = _WIDTHS
        self.branches = nn.ModuleList(
            nn.ModuleList(Transformer(width, depth) for width, depth in zip(_WIDTHS, _DEPTHS, strict=True))
            for _ in range(_LAYERS)
        )
        self.crossings = nn.ModuleList(
            nn.ModuleList([Crossing(small, large), Crossing(large, small)]) for _ in range(_LAYERS)
        )
        self.heads = nn.ModuleList(nn.Sequential(nn.LayerNorm(w), nn.Linear(w, _FEATURES)) for w in _WIDTHS)
        self.number = nn.Linear(_FEATURES, 1)

    def cost(self, drrs: Tensor, xrays: Tensor) -> Tensor:
        """See :class:`PairNetwork`."""
        both = torch.cat([drrs, xrays], dim=1)
        branches = []
        for embed, position, own in zip(self.embeds, self.positions, self.classes, strict=True):
            patches = embed(both).flatten(2).transpose(1, 2)
            branches.append(torch.cat([own.expand(len(both), -1, -1), patches], dim=1) + position)
        for transformers, crossings in zip(self.branches, self.crossings, strict=True):
            assert isinstance(transformers, nn.ModuleList)
            assert isinstance(crossings, nn.ModuleList)
            small, large = (each(tokens) for each, tokens in zip(transformers, branches, strict=True))
            tokens = crossings[0](small[:, :1], large[:, 1:]), crossings[1](large[:, :1], small[:, 1:])
            branches = [torch.cat([tokens[0], small[:, 1:]], dim=1), torch.cat([tokens[1], large[:, 1:]], dim=1)]
        features = torch.stack([head(tokens[:, 0]) for head, tokens in zip(self.heads, branches, strict=True)]).sum(0)
        return self.positive(self.number(features))[:, 0]
