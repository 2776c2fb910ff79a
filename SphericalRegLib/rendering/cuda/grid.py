"""How rays are dealt out to the threads of a GPU."""

from __future__ import annotations

from dataclasses import dataclass

#: Pixels of a block, and so its threads: the 8 × 4 rays of a warp stay close together and share cache lines.
COLUMNS, ROWS = 8, 16
THREADS = COLUMNS * ROWS
#: So many blocks fit a multiprocessor at once where a thread takes at most 64 registers, of which it has 65,536.
BLOCKS_AT_ONCE = 8
#: Poses of one launch: a grid is no longer than that in z.
MOST_POSES = 65535

# Of a part of a ray: with fewer, what is done once a ray would weigh more than what is gained.
_FEWEST_SAMPLES = 8


@dataclass(frozen=True)
class Grid:
    """Blocks (x, y, z) of threads (x, y, z).

    In z lie the poses, and of a block's threads the parts that each of its rays is cut into: where images have too few
    blocks to fill a device, a block covers fewer rows, and several threads share a ray.
    """

    blocks: tuple[int, int, int]
    threads: tuple[int, int, int]

    @classmethod
    def of(cls, height: int, width: int, poses: int, samples: int, processors: int) -> Grid:
        """Rays whole where that fills so many multiprocessors, else cut into as few parts as do, in powers of two."""
        across, parts = _quotient(width, COLUMNS), 1
        while (
            poses * across * _quotient(height, ROWS // parts) < processors * BLOCKS_AT_ONCE
            and parts < ROWS
            and samples >= 2 * parts * _FEWEST_SAMPLES
        ):
            parts *= 2
        rows = ROWS // parts
        return cls((across, _quotient(height, rows), poses), (COLUMNS, rows, parts))


def _quotient(a: int, b: int) -> int:
    """Rounded up."""
    return -(-a // b)
