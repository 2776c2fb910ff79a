"""The error hierarchy. Each message names what was wrong, with the value, and what to do about it."""


class SphericalRegError(Exception):
    """Base of every error that SphericalReg raises on purpose."""


class InputError(SphericalRegError, ValueError):
    """A file, array or option cannot be used as given."""


class GeometryError(InputError):
    """A pose, a calibration or an image grid is impossible or incomplete."""


class CheckpointError(SphericalRegError):
    """A trained model cannot be used as given."""


class TrainingError(SphericalRegError, RuntimeError):
    """Training cannot go on; the last good checkpoint is kept."""


class DeviceError(SphericalRegError, RuntimeError):
    """A compute device or a rendering kernel that was asked for is not there."""


def is_memory_shortage(error: BaseException) -> bool:
    """Whether memory was short, of the machine or of a GPU: torch and ITK say so in errors of their own."""
    if isinstance(error, MemoryError) or type(error).__name__ == "OutOfMemoryError":
        return True
    words = ("not enough memory", "can't alloc", "bad_alloc", "failed to allocate memory", "out of memory")
    return isinstance(error, RuntimeError) and any(part in str(error).lower() for part in words)
