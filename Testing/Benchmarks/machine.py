"""A description of the machine and the libraries that a figure was measured on."""

from __future__ import annotations

import os
import platform
from importlib import metadata
from pathlib import Path

import numba
import torch


def describe(device: str) -> str:
    """Processor, threads, load and versions in two lines."""
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count()
    load = f", load {os.getloadavg()[0]:.1f} at the start" if hasattr(os, "getloadavg") else ""
    accelerator = f"; {torch.cuda.get_device_name()}" if device == "cuda" else ""
    versions = ", ".join(f"{name} {metadata.version(name)}" for name in ("torch", "numba", "numpy"))
    threads = f"{torch.get_num_threads()} torch and {numba.get_num_threads()} numba threads"
    return (
        f"{_processor()}, {cores} cores{load}{accelerator}\n"
        f"{platform.system()} {platform.machine()}, Python {platform.python_version()}, {versions}, {threads}"
    )


def _processor() -> str:
    information = Path("/proc/cpuinfo")
    if information.exists():
        for line in information.read_text().splitlines():
            if line.startswith("model name"):
                return line.partition(":")[2].strip()
    return platform.processor() or platform.machine()
