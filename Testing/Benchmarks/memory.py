"""The most memory that ``linearize`` takes above the volume: image and Jacobian of 512² pixels through 512³ voxels.

    python Testing/Benchmarks/memory.py --json
    python Testing/Benchmarks/memory.py --kernel torch     # the reference

On a CPU it is the process's peak, compiler included, less what the process held just before; on a GPU what torch
allocated at most. Linux and macOS.
"""

from __future__ import annotations

import argparse
import json
import resource
import sys
from collections.abc import Callable, Sequence
from pathlib import Path

import torch
from machine import describe
from setting import CUBE_MM, make_setting

from SphericalRegLib.geometry.volume import Volume
from SphericalRegLib.rendering import KERNELS, linearize

_GIB = 2.0**30


def main(arguments: Sequence[str] | None = None) -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--voxels", type=int, default=512, help="along each axis (default: 512)")
    parser.add_argument("--pixels", type=int, default=512, help="along each axis (default: 512)")
    parser.add_argument("--samples", type=int, default=256, help="a ray (default: 256)")
    parser.add_argument("--kernel", default="auto", help=f"auto, {', '.join(KERNELS)} (default: auto)")
    parser.add_argument("--device", default="cpu", choices=["cpu", "cuda"])
    parser.add_argument("--json", action="store_true", help="end with one line of JSON")
    options = parser.parse_args(arguments)
    print(describe(options.device))
    small = make_setting(16, options.pixels, options.samples, options.device)
    volume = _noise(options.voxels, options.device)

    def run() -> None:
        linearize(volume, small.view, small.poses, samples=options.samples, kernel=options.kernel)

    above = (_peak_on_gpu if options.device == "cuda" else _peak)(run) / _GIB
    held = volume.density.numel() * volume.density.element_size() / _GIB
    print(
        f"{options.voxels}³ voxels ({held:.2f} GiB), {options.pixels}² pixels, {options.samples} samples a ray, kernel "
        f"{options.kernel}: at most {above:.3f} GiB above the volume"
    )
    if options.json:
        print(json.dumps({"volume_gib": round(held, 3), "above_volume_gib": round(above, 3)}))


def _noise(voxels: int, device: str) -> Volume:
    """Filled in place: a phantom's temporaries would leave a higher peak than the renderer's."""
    spacing = CUBE_MM / voxels
    world_from_voxel = torch.diag(torch.tensor([spacing, spacing, spacing, 1.0], dtype=torch.float64))
    world_from_voxel[:3, 3] = -spacing * (voxels - 1) / 2
    density = torch.empty(1, voxels, voxels, voxels, device=device).uniform_(0.0, 0.04)
    return Volume(density, world_from_voxel)


def _peak(run: Callable[[], None]) -> float:
    """Bytes. The peak so far is first brought to the present, or a former one would hide the call's own."""
    before = _resident()
    if before is None:  # not Linux: the volume is by far the most that was held before
        before = _highest()
    elif _highest() > before:
        Path("/proc/self/clear_refs").write_text("5")
    run()
    return _highest() - before


def _highest() -> float:
    status = Path("/proc/self/status")
    if status.exists():
        line = next(line for line in status.read_text().splitlines() if line.startswith("VmHWM"))
        return 1024.0 * int(line.split()[1])
    highest = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return float(highest) * (1 if sys.platform == "darwin" else 1024)


def _resident() -> float | None:
    status = Path("/proc/self/statm")
    return float(int(status.read_text().split()[1]) * resource.getpagesize()) if status.exists() else None


def _peak_on_gpu(run: Callable[[], None]) -> float:
    torch.cuda.synchronize()
    torch.cuda.reset_peak_memory_stats()
    before = torch.cuda.memory_allocated()
    run()
    torch.cuda.synchronize()
    return float(torch.cuda.max_memory_allocated() - before)


if __name__ == "__main__":
    main()
