"""Times an image with its pose derivative: SphericalReg's ``linearize`` against the forward and backward of its peers.

    python Testing/Benchmarks/rendering.py                 # the table, all four sizes
    python Testing/Benchmarks/rendering.py --json          # two sizes; the last line is JSON with the ratios to nanodrr
    python Testing/Benchmarks/rendering.py --device cuda --poses 1 16 64 256 1024

All contenders run in turn within each round, on the same volume, rays, samples and poses; medians over the rounds. What
SphericalReg is timed for is more: the whole N×6 Jacobian, where reverse mode gives the gradient of one scalar. Before
anything is timed, images and gradients are compared. README.md in this folder says how to install the peers.
"""

from __future__ import annotations

import argparse
import json
import time
from collections.abc import Sequence
from statistics import median

import torch
from contenders import CONTENDERS, PEERS, Contender, in_twists, version
from machine import describe
from setting import Setting, make_setting
from torch import Tensor

from SphericalRegLib.rendering import choose_kernel

#: (voxels, pixels) along each axis.
SIZES = ((128, 128), (128, 256), (256, 128), (256, 256))
JSON_SIZES = ((128, 128), (256, 256))
#: Within a round a contender repeats itself until this many seconds have passed.
TURN_S = 0.1

Times = dict[tuple[str, bool], list[float]]


def main(arguments: Sequence[str] | None = None) -> None:
    options = _parser().parse_args(arguments)
    peers = _present(options.peers or PEERS[options.device])
    print(describe(options.device))
    print(f"{options.samples} samples a ray, median ms of {options.repeats} interleaved rounds, +d: with derivative\n")
    results: dict[tuple[int, int], dict[tuple[str, bool], float]] = {}
    for count in options.poses:
        for voxels, pixels in JSON_SIZES if options.json else SIZES:
            setting = make_setting(voxels, pixels, options.samples, options.device, count)
            ready = {name: CONTENDERS[name](setting) for name in ("sphericalreg", *peers)}
            kernel = choose_kernel("auto", setting.volume).name
            print(
                f"{voxels}³ volume, {pixels}² image, {count} pose{'s' * (count > 1)}; sphericalreg's kernel: {kernel}"
            )
            _compare(setting, ready)
            times = _measure(ready, options.repeats, options.device)
            milliseconds = {key: 1e3 * median(values) for key, values in times.items()}
            _report(milliseconds)
            results.setdefault((voxels, pixels), milliseconds)
    if options.json:
        print(json.dumps(_summary(results)))


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    peers = [name for name in CONTENDERS if name != "sphericalreg"]
    parser.add_argument("--peers", nargs="*", choices=peers, help="default: those that the device has")
    parser.add_argument("--repeats", type=int, default=9, help="rounds (default: 9)")
    parser.add_argument("--samples", type=int, default=256, help="samples a ray (default: 256)")
    parser.add_argument("--device", default="cpu", choices=["cpu", "cuda"])
    parser.add_argument("--poses", type=int, nargs="+", default=[1], help="images at once, one size after the other")
    parser.add_argument(
        "--json",
        action="store_true",
        help="only 128³/128² and 256³/256², and end with one line of JSON, of the first number of poses",
    )
    return parser


def _present(names: Sequence[str]) -> list[str]:
    for library in dict.fromkeys(name.split()[0] for name in names):
        missing = f"not installed, left out: see Testing/Benchmarks/README.md for how to install {library}"
        print(f"{library}: {version(library) or missing}")
    return [name for name in names if version(name.split()[0])]


def _compare(setting: Setting, ready: dict[str, Contender]) -> None:
    """Show that the peers compute the same image and the same gradient; compiles everything on the way."""
    image, jacobian = ready["sphericalreg"](True)
    assert jacobian is not None
    gradient = in_twists(setting, jacobian)
    for name, run in ready.items():
        run(False)
        if name != "sphericalreg":
            other_image, derivative = run(True)
            assert derivative is not None
            other_gradient = in_twists(setting, derivative)
            print(
                f"  {name} differs by {_relative(other_image, image):.1e} of the image's maximum, "
                f"{_relative(other_gradient, gradient):.1e} of the gradient's"
            )


def _relative(values: Tensor, reference: Tensor) -> float:
    return float((values - reference).abs().max() / reference.abs().max())


def _measure(ready: dict[str, Contender], repeats: int, device: str) -> Times:
    """Seconds of every call, by contender and whether the derivative was asked for."""
    times: Times = {(name, derivative): [] for derivative in (True, False) for name in ready}
    for _ in range(repeats):
        for (name, derivative), values in times.items():
            end = time.perf_counter() + TURN_S
            while True:
                start = time.perf_counter()
                ready[name](derivative)
                if device == "cuda":
                    torch.cuda.synchronize()
                now = time.perf_counter()
                values.append(now - start)
                if now >= end:
                    break
    return times


def _report(milliseconds: dict[tuple[str, bool], float]) -> None:
    ours = milliseconds["sphericalreg", True]
    for name in dict.fromkeys(name for name, _ in milliseconds):
        image, both = milliseconds[name, False], milliseconds[name, True]
        ratio = "" if name == "sphericalreg" else f"   +d {both / ours:.1f} times ours, image alone {image / ours:.1f}"
        print(f"  {name:<17} image {image:8.1f}   +d {both:8.1f}{ratio}")
    print()


def _summary(results: dict[tuple[int, int], dict[tuple[str, bool], float]]) -> dict[str, float | None]:
    """The ratios are None where nanodrr is not installed or was not asked for."""
    summary: dict[str, float | None] = {}
    for size, _ in JSON_SIZES:
        nanodrr = results[size, size].get(("nanodrr", True))
        ours = results[size, size]["sphericalreg", True]
        summary[f"ratio_nanodrr_{size}"] = round(nanodrr / ours, 2) if nanodrr is not None else None
    for size, _ in JSON_SIZES:
        summary[f"linearize_ms_{size}"] = round(results[size, size]["sphericalreg", True], 2)
    return summary


if __name__ == "__main__":
    main()
