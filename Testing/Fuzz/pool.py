"""Children that read mutated files, with a time limit for each file, restarted where one ends."""

from __future__ import annotations

import json
import os
import queue
import shutil
import signal
import subprocess
import sys
import threading
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from random import Random

from Testing.Fuzz.mutate import mutated
from Testing.Fuzz.seeds import Seed

_ROOT = Path(__file__).resolve().parents[2]
#: What a case may end in; only the first two are right.
OUTCOMES = ("read", "refused", "printed", "traceback", "signal", "hang", "memory")


@dataclass(frozen=True)
class Outcome:
    """How one case ended.

    Attributes:
        number: of the case; with the run's seed it makes the same file again.
        seed: name of the valid file.
        kind: of file.
        outcome: one of :data:`OUTCOMES`.
        detail: the message, the traceback, or the signal's name.
        printed: what the libraries printed.
    """

    number: int
    seed: str
    kind: str
    outcome: str
    detail: str
    printed: str = ""

    @property
    def right(self) -> bool:
        """Whether the reader did what it should."""
        return self.outcome in OUTCOMES[:2]


class Child:
    """One worker process.

    Args:
        seconds: that a case may take.
    """

    def __init__(self, seconds: float) -> None:
        self.seconds = seconds
        self._process: subprocess.Popen[str] | None = None
        self._lines: queue.Queue[str | None] = queue.Queue()

    def read(self, kind: str, path: Path, seeds: Path) -> tuple[str, str, str]:
        """Outcome, detail and what was printed for one file."""
        process = self._running()
        assert process.stdin is not None
        try:
            process.stdin.write(json.dumps({"kind": kind, "path": str(path), "seeds": str(seeds)}) + "\n")
            process.stdin.flush()
            line = self._lines.get(timeout=self.seconds)
        except queue.Empty:
            self.close()
            return "hang", f"no answer within {self.seconds:g} s", ""
        except BrokenPipeError:
            line = None
        if line is None:
            code = process.wait()
            self._process = None
            return "signal", signal.Signals(-code).name if code < 0 else f"ended with code {code}", ""
        answer = json.loads(line)
        outcome = answer["outcome"]
        if answer["printed"] and outcome in OUTCOMES[:2]:
            outcome = "printed"
        return outcome, answer["detail"], answer["printed"]

    def close(self) -> None:
        """End the process."""
        if self._process is not None:
            self._process.kill()
            self._process.wait()
            self._process = None

    def _running(self) -> subprocess.Popen[str]:
        if self._process is None:
            self._lines = queue.Queue()
            process = subprocess.Popen(
                [sys.executable, "-m", "Testing.Fuzz.worker"],
                cwd=_ROOT,
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                text=True,
                encoding="utf-8",
                env={**os.environ, "PYTHONPATH": str(_ROOT)},
            )
            threading.Thread(target=_forward, args=(process, self._lines), daemon=True).start()
            self._process = process
            if self._lines.get(timeout=300) is None:
                raise RuntimeError("The worker process cannot be started.")
        return self._process


def _forward(process: subprocess.Popen[str], lines: queue.Queue[str | None]) -> None:
    assert process.stdout is not None
    for line in process.stdout:
        lines.put(line)
    lines.put(None)


def make_case(
    number: int, run_seed: int, seeds: Sequence[Seed], contents: Sequence[bytes], folder: Path
) -> tuple[Seed, Path]:
    """Write the mutated file of one case, with what belongs to it, into an empty folder."""
    random = Random(f"{run_seed}:{number}")
    chosen = random.randrange(len(seeds))
    seed = seeds[chosen]
    folder.mkdir(parents=True)
    if not seed.alone:
        shutil.copytree(seed.path.parent, folder, dirs_exist_ok=True)
    path = folder / seed.path.name
    path.write_bytes(mutated(contents[chosen], random, list(contents)))
    return seed, path


def run(
    cases: Sequence[int], run_seed: int, seeds: Sequence[Seed], folder: Path, seconds: float, processes: int
) -> Iterator[Outcome]:
    """Try cases; the files of those that ended wrong stay in ``folder/failed``.

    Args:
        cases: their numbers.
        run_seed: with a number it decides the file.
        seeds: valid files.
        folder: to work in.
        seconds: for one case.
        processes: that read at the same time.
    """
    contents = [seed.path.read_bytes() for seed in seeds]
    children: queue.Queue[Child] = queue.Queue()
    everyone = [Child(seconds) for _ in range(processes)]
    for child in everyone:
        children.put(child)

    def one(number: int) -> Outcome:
        child = children.get()
        place = folder / "cases" / str(number)
        try:
            seed, path = make_case(number, run_seed, seeds, contents, place)
            outcome = Outcome(number, seed.path.name, seed.kind, *child.read(seed.kind, path, seeds[0].path.parent))
            if not outcome.right:
                shutil.copytree(place, folder / "failed" / f"{outcome.outcome}_{number}", dirs_exist_ok=True)
            return outcome
        finally:
            shutil.rmtree(place, ignore_errors=True)
            children.put(child)

    try:
        with ThreadPoolExecutor(processes) as pool:
            yield from pool.map(one, cases)
    finally:
        for child in everyone:
            child.close()
