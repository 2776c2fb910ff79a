"""Reading HDF5 with errors that name file, place and what was expected there; h5py is in the extra ``datasets``."""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np

from SphericalRegLib.errors import DeviceError, InputError


def opener() -> Any:
    """The module h5py.

    Raises:
        DeviceError: where it is not installed.
    """
    try:
        import h5py
    except ImportError as error:
        raise DeviceError(
            f'This data set is an HDF5 file, which needs h5py ({error}): run pip install "sphericalreg[datasets]".'
        ) from error
    return h5py


@contextmanager
def opened(path: str | os.PathLike[str]) -> Iterator[Any]:
    """A file, for reading.

    Raises:
        InputError: for one that is absent, truncated or no HDF5; also where reading stops at damage.
        DeviceError: without h5py.
    """
    h5py = opener()
    if not Path(path).is_file():
        raise InputError(f"There is no file {path}: check the path.")
    try:
        with h5py.File(path, "r") as file:
            yield file
    except (OSError, RuntimeError) as error:
        # both are InputErrors of ours only where they are not
        if isinstance(error, InputError | DeviceError):
            raise
        raise InputError(
            f"{path} cannot be read as HDF5 ({str(error)[:200]}): it is damaged or was not downloaded to its end. "
            "Compare its size with the source's, and fetch it again."
        ) from error


def group(file: Any, place: str, path: str | os.PathLike[str]) -> Any:
    """A group.

    Raises:
        InputError: where there is none.
    """
    if place not in file or not hasattr(file[place], "keys"):
        raise InputError(f"{path} has no group {place!r}: it has {_listed(file, place)}. Is it this data set's file?")
    return file[place]


def numbers(file: Any, place: str, shape: Sequence[int], path: str | os.PathLike[str]) -> np.ndarray:
    """float64 numbers of a shape; 1 in a file's shape counts for nothing ((3, 1) is as good as (3,)).

    Raises:
        InputError: where they are absent, of another shape, or not finite.
    """
    dataset = _dataset(file, place, path)
    wanted = tuple(shape)
    if tuple(n for n in dataset.shape if n != 1) != tuple(n for n in wanted if n != 1):
        raise InputError(f"{path}: {place!r} has the shape {tuple(dataset.shape)}, expected {wanted}.")
    values = np.asarray(dataset[()], dtype=np.float64).reshape(wanted)
    if not np.isfinite(values).all():
        raise InputError(f"{path}: {place!r} holds values that are not finite: {values.tolist()}.")
    return values


def whole(file: Any, place: str, path: str | os.PathLike[str]) -> int:
    """A whole number.

    Raises:
        InputError: where it is absent or none.
    """
    value = float(numbers(file, place, (1,), path)[0])
    if value != int(value):
        raise InputError(f"{path}: {place!r} is {value}, expected a whole number.")
    return int(value)


def pixels(file: Any, place: str, dimensions: int, path: str | os.PathLike[str]) -> np.ndarray:
    """An image or a volume as stored.

    Raises:
        InputError: where it is absent, empty, or of other dimensions.
    """
    dataset = _dataset(file, place, path)
    if dataset.ndim != dimensions or 0 in dataset.shape:
        raise InputError(f"{path}: {place!r} has the shape {tuple(dataset.shape)}, expected {dimensions} dimensions.")
    return np.asarray(dataset[()])


def size(file: Any, place: str, dimensions: int, path: str | os.PathLike[str]) -> tuple[int, ...]:
    """The shape of what :func:`pixels` would read, without reading it.

    Raises:
        InputError: as :func:`pixels`.
    """
    dataset = _dataset(file, place, path)
    if dataset.ndim != dimensions or 0 in dataset.shape:
        raise InputError(f"{path}: {place!r} has the shape {tuple(dataset.shape)}, expected {dimensions} dimensions.")
    return tuple(int(n) for n in dataset.shape)


def word(file: Any, place: str, path: str | os.PathLike[str]) -> str:
    """A text.

    Raises:
        InputError: where it is absent.
    """
    value = _dataset(file, place, path)[()]
    if isinstance(value, np.ndarray):
        value = value.ravel()[0]
    return value.decode(errors="replace") if isinstance(value, bytes) else str(value)


def _dataset(file: Any, place: str, path: str | os.PathLike[str]) -> Any:
    if place not in file or not hasattr(file[place], "shape"):
        raise InputError(f"{path} has no data {place!r}: it has {_listed(file, place)}. Is it this data set's file?")
    return file[place]


def _listed(file: Any, place: str) -> str:
    """What is there in place of it."""
    parent, _, _ = place.rpartition("/")
    while parent and parent not in file:
        parent, _, _ = parent.rpartition("/")
    names = list((file[parent] if parent else file).keys())
    inside = f"in {parent!r} " if parent else ""
    shown = ", ".join(sorted(names)[:12]) or "nothing"
    return f"{inside}{shown}{' ...' if len(names) > 12 else ''}"
