"""A study's work on a Ray cluster: on as many machines as there are. Ray comes with the extra ``distributed``.

What calls share goes into Ray's object store once, and from there once to each machine. A call whose process or machine
is lost is run again elsewhere; results that had come are kept. Calls go in shards, for one takes seconds and the way to
a machine milliseconds.
"""

from __future__ import annotations

import logging
import socket
from collections.abc import Callable, Generator, Sequence
from dataclasses import dataclass
from typing import Any, TypeVar

from SphericalRegLib.errors import DeviceError, InputError
from SphericalRegLib.threads import set_threads

# To wait for an answer.
_SECONDS = 5.0

Shared = TypeVar("Shared")
Item = TypeVar("Item")
Result = TypeVar("Result")


@dataclass(frozen=True)
class RayEngine:
    """See the module.

    Attributes:
        address: of a running cluster (HOST:PORT, or "auto"); None starts one of this machine alone, which ends with it.
        cpus: of each call.
        gpus: of each call; may be a fraction.
        shard: items that one call does.
        retries: of a call whose machine was lost; -1: without end.

    Raises:
        InputError: for numbers that are none.
    """

    address: str | None = None
    cpus: int = 1
    gpus: float = 0.0
    shard: int = 1
    retries: int = 10

    def __post_init__(self) -> None:
        if self.cpus < 1 or self.gpus < 0 or self.shard < 1 or self.retries < -1:
            raise InputError(
                f"cpus={self.cpus} and shard={self.shard} must be 1 or more, gpus={self.gpus} 0 or more, retries="
                f"{self.retries} -1 or more."
            )

    @property
    def words(self) -> str:
        """See :class:`~SphericalRegLib.evaluation.study.engines.Engine`."""
        return f"Ray {_ray().__version__}, calls of {self.cpus} core(s)"

    def run(
        self, function: Callable[[Shared, Item], Result], shared: Shared, items: Sequence[Item]
    ) -> Generator[tuple[int, Result], None, None]:
        """See :class:`~SphericalRegLib.evaluation.study.engines.Engine`."""
        if not items:
            return
        ray = _ray()
        own = not ray.is_initialized()
        if own:
            _reached(self.address)
            try:
                ray.init(
                    address=self.address,
                    include_dashboard=False if self.address is None else None,
                    log_to_driver=False,
                    logging_level=logging.ERROR,
                )
            except (ConnectionError, RuntimeError, ValueError) as error:
                raise InputError(f"There is no Ray cluster at {self.address or 'this machine'} ({error}).") from error
        try:
            yield from self._spread(ray, function, shared, items)
        finally:
            if own:
                ray.shutdown()

    def _spread(
        self, ray: Any, function: Any, shared: Any, items: Sequence[Any]
    ) -> Generator[tuple[int, Any], None, None]:
        call = ray.remote(num_cpus=self.cpus, num_gpus=self.gpus, max_retries=self.retries)(_shard)
        stored = ray.put(shared)
        waiting = {}
        for start in range(0, len(items), self.shard):
            part = list(enumerate(items))[start : start + self.shard]
            waiting[call.remote(function, stored, part, self.cpus)] = part
        try:
            while waiting:
                done, _ = ray.wait(list(waiting), num_returns=1)
                for reference in done:
                    del waiting[reference]
                    try:
                        yield from ray.get(reference)
                    except ray.exceptions.RayTaskError as error:
                        # what the function raised, as it would be here
                        raise error.cause if isinstance(error.cause, BaseException) else error from error
        finally:
            for reference in waiting:
                ray.cancel(reference, force=True)


def _reached(address: str | None) -> None:
    """See that something listens where a cluster should be: Ray itself asks for minutes, and then ends the process.

    Raises:
        InputError: where nothing does.
    """
    host, _, port = (address or "").rpartition(":")
    if not host or not port.isdecimal() or "/" in host:
        # this machine, "auto", or an address that only Ray understands
        return
    try:
        socket.create_connection((host, int(port)), timeout=_SECONDS).close()
    except (OSError, OverflowError) as error:
        raise InputError(f"There is no Ray cluster at {address} ({error}): start one, or choose local.") from error


def _shard(function: Any, shared: Any, part: Sequence[tuple[int, Any]], cpus: int) -> list[tuple[int, Any]]:
    set_threads(cpus)
    return [(number, function(shared, item)) for number, item in part]


def _ray() -> Any:
    """The module.

    Raises:
        DeviceError: where it is not installed.
    """
    try:
        import ray
    except ImportError as error:
        raise DeviceError(
            f'The engine ray needs Ray ({error}): run pip install "sphericalreg[distributed]", or choose local.'
        ) from error
    return ray
