"""How a command runs and what it says: options that all commands share, documented once."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import torch
from typing_extensions import TypedDict

from SphericalRegLib.app.device import DeviceName, choose_device
from SphericalRegLib.cli.console import Console
from SphericalRegLib.threads import set_threads


class Running(TypedDict, total=False):
    """How a command runs and what it says.

    Args:
        threads: of the processor to compute with; by default one for each processor.
        quiet: no messages.
        verbose: more messages, and tracebacks.
    """

    threads: int | None
    quiet: bool
    verbose: bool


class Computing(Running, total=False):
    """How a command runs that can compute on a GPU.

    Args:
        device: what computes; "auto", the default, is CUDA where it is there, and else the processor.
    """

    device: DeviceName


def begin(options: Mapping[str, Any]) -> Console:
    """Set the number of threads; returns what a command's messages go to.

    Args:
        options: of :class:`Running`; other keys count for nothing.

    Raises:
        InputError: for an impossible number of threads.
    """
    set_threads(options.get("threads"))
    return Console(options.get("quiet", False), options.get("verbose", False))


def device_of(options: Mapping[str, Any]) -> torch.device:
    """What computes.

    Args:
        options: of :class:`Computing`; other keys count for nothing.

    Raises:
        DeviceError: for a device that is not there.
    """
    return choose_device(options.get("device", "auto"))
