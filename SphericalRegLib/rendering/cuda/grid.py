"""How rays are dealt out to the threads of a GPU."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

#: Pixels of a block, and so its threads: the 8 × 4 rays of a warp stay close together and share cache lines.
COLUMNS, ROWS = 8, 16
THREADS = COLUMNS * ROWS
#: Poses of one launch: a grid is no longer than that in z.
MOST_POSES = 65535

# A multiprocessor has 65,536 registers: so many blocks fit at once where a thread takes at most 64 of them.
_BLOCKS_AT_ONCE = 8
# Of a part of a ray: with fewer, what is done once a ray would weigh more than what is gained.
_FEWEST_SAMPLES = 8


@dataclass(frozen=True)
class Grid:
    """Blocks (x, y, z) of threads (x, y, z).

    In z lie the poses, and of a block's threads the parts that each of its rays is cut into: where images have too few
    blocks to fill a device, rays are halved, or their halves once more, and a block covers as much fewer rows.
    """

    blocks: tuple[int, int, int]
    threads: tuple[int, int, int]
    halvings: int

    @classmethod
    def of(cls, height: int, width: int, poses: int, samples: int, processors: int) -> Grid:
        """Rays whole where that fills so many multiprocessors, else halved as often as it takes."""
        across, halvings = _quotient(width, COLUMNS), 0
        while (
            poses * across * _quotient(height, ROWS >> halvings) < processors * _BLOCKS_AT_ONCE
            and ROWS >> halvings > 1
            and samples >> halvings >= 2 * _FEWEST_SAMPLES
        ):
            halvings += 1
        rows = ROWS >> halvings
        return cls((across, _quotient(height, rows), poses), (COLUMNS, rows, 1 << halvings), halvings)


def blocks_at_once(real: type) -> int:
    """Blocks that kernels leave registers for on a multiprocessor, by the volume's dtype: float64 takes two each."""
    return _BLOCKS_AT_ONCE if np.dtype(real).itemsize == 4 else _BLOCKS_AT_ONCE // 2


def _quotient(a: int, b: int) -> int:
    """Rounded up."""
    return -(-a // b)
