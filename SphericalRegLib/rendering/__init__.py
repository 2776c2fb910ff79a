"""DRR rendering with exact pose Jacobians: one contract, several kernels."""

from SphericalRegLib.rendering.contract import KERNELS, choose_kernel, linearize, render

__all__ = ["KERNELS", "choose_kernel", "linearize", "render"]
