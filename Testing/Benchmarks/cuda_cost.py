"""Counts what the CUDA kernels take of a GPU, without one: registers, spills, and a sample's instructions and loads.

    python Testing/Benchmarks/cuda_cost.py           # for sm_80, sm_90 and sm_100
    python Testing/Benchmarks/cuda_cost.py --json

Kernels are compiled for each architecture, assembled and disassembled, and what stands in the inner loop is counted:
the same figures on any machine, where times would need the GPU. nanodrr's Triton kernel goes the same way. Counts are
of instructions that stand there, not of those that are executed, and say nothing about how long loads take.
"""

from __future__ import annotations

import argparse
import json
from collections.abc import Callable, Sequence
from dataclasses import asdict
from importlib import metadata

import cuda_code
from sass import TOOLS, cost, tool

CAPABILITIES = ((8, 0), (9, 0), (10, 0))
#: {who: (its kernels, packages that they need, how to install those)}.
KERNELS: dict[str, tuple[Callable[[], dict[str, cuda_code.Compiler]], tuple[str, ...], str]] = {
    "sphericalreg": (cuda_code.ours, ("numba-cuda", "nvidia-nvvm", "nvidia-cuda-nvrtc"), '"numba-cuda[cu13]"'),
    "nanodrr": (cuda_code.nanodrr, ("triton", "nanodrr"), "triton nanodrr"),
}


def main(arguments: Sequence[str] | None = None) -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--json", action="store_true", help="end with one line of JSON")
    options = parser.parse_args(arguments)
    missing = [package for name, package in TOOLS.items() if tool(name) is None]
    if missing:
        raise SystemExit(f"Nothing can be counted without them: pip install {' '.join(missing)}")
    rows = []
    for library, (kernels, packages, install) in KERNELS.items():
        absent = [name for name in packages if version(name) is None]
        if absent:
            print(f"{library}: left out, without {', '.join(absent)}: pip install {install}")
            continue
        print(f"{library}: {', '.join(f'{name} {version(name)}' for name in packages)}")
        for name, compiler in kernels().items():
            for major, minor in CAPABILITIES:
                counted = cost(compiler((major, minor)))
                rows.append(
                    {"library": library, "kernel": name, "architecture": f"sm_{major}{minor}"} | asdict(counted)
                )
    print(f"{', '.join(f'{name} of {package} {version(package)}' for name, package in TOOLS.items())}\n")
    print(f"{'a thread':>64}{'a sample':>20}")
    heads = ("registers", "spilled", "instructions", "floating", "conversions", "memory")
    print(f"{'':47}{''.join(f'{head:>13}' for head in heads)}")
    for row in rows:
        numbers = "".join(f"{row[head]:13.4g}" for head in heads)
        print(f"{row['library']:<13}{row['kernel']:<27}{row['architecture']:<7}{numbers}")
    if options.json:
        print(json.dumps(rows))


def version(package: str) -> str | None:
    """The installed version of a package, or None."""
    try:
        return metadata.version(package)
    except metadata.PackageNotFoundError:
        return None


if __name__ == "__main__":
    main()
