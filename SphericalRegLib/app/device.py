"""Choosing what computes."""

from __future__ import annotations

from typing import Literal

import torch

from SphericalRegLib.errors import DeviceError
from SphericalRegLib.threads import get_threads

DeviceName = Literal["auto", "cpu", "cuda", "mps"]


def available_devices() -> dict[str, str]:
    """{name: description} of the devices that are there."""
    found = {"cpu": f"{get_threads()} threads"}
    if torch.cuda.is_available():
        found["cuda"] = torch.cuda.get_device_name()
    if torch.backends.mps.is_available():
        found["mps"] = "Apple GPU"
    return found


def choose_device(name: DeviceName) -> torch.device:
    """The device of that name; ``auto`` is CUDA where it is there, and else the CPU.

    Apple's GPU has no 64-bit floating point, so it is used only when asked for.

    Raises:
        DeviceError: for a device that is not there.
    """
    found = available_devices()
    if name == "auto":
        return torch.device("cuda" if "cuda" in found else "cpu")
    if name not in found:
        raise DeviceError(f"There is no device {name!r} here, only {', '.join(found)}: use --device auto.")
    return torch.device(name)
