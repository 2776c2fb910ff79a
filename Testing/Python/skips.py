"""Why tests are left out, and how a run says so: in one line."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable

NEEDS_SCENE = "tests on 3D Slicer's scene (make scene)"
NEEDS_CUDA = "tests of the CUDA kernel on a device (a GPU, and numba-cuda)"
NEEDS_CUDA_COMPILER = "counts of the CUDA kernel (see Testing/Benchmarks/README.md)"


def left_out(reasons: Iterable[str]) -> str:
    """Each reason with how often it was given, the commonest first."""
    counts = Counter(reason.removeprefix("Skipped: ") for reason in reasons)
    return "left out: " + "; ".join(f"{number} x {reason}" for reason, number in counts.most_common())
