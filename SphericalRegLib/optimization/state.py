"""What an optimizer changes: a batch of hypotheses, each with parameters in blocks.

A pose is one block of six parameters. Several bodies are several such blocks; a focal length is a block of one. An
optimizer knows none of them: it sees P numbers, what each is worth in millimeters, and a way to take a step.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Protocol

import torch
from torch import Tensor

from SphericalRegLib.errors import InputError
from SphericalRegLib.geometry import se3


class Block(Protocol):
    """Parameters that belong together, of every hypothesis of a batch."""

    @property
    def scale(self) -> Tensor:
        """(size,) float64: mm that one unit of each parameter counts as; 1 for a millimeter."""
        ...

    @property
    def angular(self) -> Tensor:
        """(size,) bool: which parameters are radians."""
        ...

    def retract(self, values: Tensor, steps: Tensor) -> Tensor:
        """Values (B, ...) after steps (B, size)."""
        ...

    def squared_length(self, steps: Tensor) -> Tensor:
        """(B,) mm² of steps (B, size)."""
        ...


@dataclass(frozen=True, eq=False)
class PoseBlock:
    """A rigid pose, values (B, 4, 4); steps are twists about a point (``se3.about``): radians, then mm.

    Attributes:
        center: (3,) world mm.
        length: mm that one radian of rotation counts as: roughly the anatomy's radius.
    """

    center: Tensor
    length: float

    @property
    def scale(self) -> Tensor:
        """See :class:`Block`."""
        return pose_scale(self.length)

    @property
    def angular(self) -> Tensor:
        """See :class:`Block`."""
        return torch.tensor([True] * 3 + [False] * 3)

    def retract(self, values: Tensor, steps: Tensor) -> Tensor:
        """See :class:`Block`."""
        return se3.about(steps, values, self.center)

    def squared_length(self, steps: Tensor) -> Tensor:
        """See :class:`Block`."""
        return (self.length * steps[:, :3]).square().sum(-1) + steps[:, 3:].square().sum(-1)


@dataclass(frozen=True, eq=False)
class VectorBlock:
    """Plain numbers, values (B, size), to which steps are added.

    Attributes:
        scale: (size,) mm that one unit of each counts as.
    """

    scale: Tensor

    @property
    def angular(self) -> Tensor:
        """See :class:`Block`."""
        return torch.zeros(len(self.scale), dtype=torch.bool)

    def retract(self, values: Tensor, steps: Tensor) -> Tensor:
        """See :class:`Block`."""
        return values + steps

    def squared_length(self, steps: Tensor) -> Tensor:
        """See :class:`Block`."""
        return (self.scale * steps).square().sum(-1)


@dataclass(frozen=True, eq=False)
class State:
    """B hypotheses.

    Attributes:
        blocks: one or several.
        values: of each block, (B, ...) float64.

    Raises:
        InputError: without a block, or for values that are not one for each block, of one batch.
    """

    blocks: tuple[Block, ...]
    values: tuple[Tensor, ...]

    def __post_init__(self) -> None:
        if not self.blocks or len(self.blocks) != len(self.values) or len({len(v) for v in self.values}) != 1:
            raise InputError(
                f"A state of {len(self.blocks)} blocks holds batches of {[len(v) for v in self.values]}: give each "
                "block one batch, all of one length."
            )

    def __len__(self) -> int:
        return len(self.values[0])

    @property
    def sizes(self) -> list[int]:
        """Parameters of each block."""
        return [len(block.scale) for block in self.blocks]

    @property
    def scale(self) -> Tensor:
        """(P,) mm that one unit of each parameter counts as."""
        return torch.cat([block.scale for block in self.blocks])

    @property
    def angular(self) -> Tensor:
        """(P,) bool: which parameters are radians."""
        return torch.cat([block.angular for block in self.blocks])

    def retract(self, steps: Tensor) -> State:
        """The state after steps (B, P)."""
        parts = steps.split(self.sizes, dim=-1)
        moved = [block.retract(v, s) for block, v, s in zip(self.blocks, self.values, parts, strict=True)]
        return replace(self, values=tuple(moved))

    def length(self, steps: Tensor) -> Tensor:
        """(B,) mm of steps (B, P)."""
        parts = steps.split(self.sizes, dim=-1)
        squared = [block.squared_length(s) for block, s in zip(self.blocks, parts, strict=True)]
        return torch.sqrt(squared[0] if len(squared) == 1 else torch.stack(squared).sum(0))

    def select(self, indices: Tensor) -> State:
        """Some of the hypotheses, by index (A,); they may repeat."""
        return replace(self, values=tuple(values[indices] for values in self.values))

    def put(self, indices: Tensor, other: State) -> State:
        """The same with other hypotheses at indices (A,)."""
        return self._joined(other, lambda mine, theirs: mine.index_copy(0, indices, theirs))

    def where(self, mask: Tensor, other: State) -> State:
        """These hypotheses where ``mask`` (B,) holds, the others elsewhere."""
        return self._joined(
            other, lambda mine, theirs: torch.where(mask.view(-1, *[1] * (mine.ndim - 1)), mine, theirs)
        )

    def _joined(self, other: State, join: _Join) -> State:
        return replace(self, values=tuple(join(a, b) for a, b in zip(self.values, other.values, strict=True)))


class _Join(Protocol):
    def __call__(self, mine: Tensor, theirs: Tensor, /) -> Tensor: ...


def pose_state(poses: Tensor, center: Tensor, length: float) -> State:
    """A state of poses (B, 4, 4) alone."""
    return State((PoseBlock(center, length),), (poses.to(torch.float64),))


def pose_scale(length: float) -> Tensor:
    """(6,) float64: mm that one unit of each parameter of a twist counts as, one radian being ``length`` mm."""
    return torch.tensor([length] * 3 + [1.0] * 3, dtype=torch.float64)


def pose_distance(a: Tensor, b: Tensor, center: Tensor, length: float) -> Tensor:
    """(B,) mm between poses (B, 4, 4): the length of the twist from one to the other about ``center``."""
    return PoseBlock(center, length).squared_length(se3.difference_about(a, b, center)).sqrt()
