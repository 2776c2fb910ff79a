"""DRR rendering with exact pose Jacobians: one contract, several kernels."""

from SphericalRegLib.rendering.contract import linearize, render, warm_up
from SphericalRegLib.rendering.table import KERNELS, choose_kernel

__all__ = ["KERNELS", "choose_kernel", "linearize", "render", "warm_up"]
