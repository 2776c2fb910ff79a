"""SphericalReg: 2D/3D registration of a CT to X-rays. Research software, not a medical device."""

__version__ = "0.1.0"
