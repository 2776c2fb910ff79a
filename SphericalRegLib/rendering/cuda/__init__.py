"""The CUDA kernel: the functions of :mod:`SphericalRegLib.rendering.ray`, one thread a ray or a part of one."""
