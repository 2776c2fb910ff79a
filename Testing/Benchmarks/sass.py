"""Machine code of a GPU kernel, by NVIDIA's own assembler and disassembler, and what its inner loop holds."""

from __future__ import annotations

import re
import shutil
import subprocess
import tempfile
from collections import Counter
from dataclasses import dataclass
from importlib import metadata
from pathlib import Path

#: {tool: the package that brings it}.
TOOLS = {"ptxas": "nvidia-cuda-nvcc", "nvdisasm": "nvidia-cuda-nvdisasm"}

# The inner loop is known by the eight corners of a cell, and how many samples it holds by the indices of cells, which
# are made of positions by three conversions a sample: counts of loads are then no matter of definition.
_CORNERS, _INDICES = 8, 3
_MEMORY = ("LDG", "RED", "REDG", "ATOMG")
_FLOAT = ("FADD", "FMUL", "FFMA", "FMNMX", "FSEL", "FSETP", "FSET", "DADD", "DMUL", "DFMA", "DSETP", "FADD2", "FFMA2")
_CONVERSION = ("F2I", "I2F", "I2FP", "FRND", "F2F", "MUFU", "F2IP")

_INSTRUCTION = re.compile(
    r"^\s+/\*[0-9a-f]+\*/\s+(?:@!?U?P\w+\s+)?(?P<name>[A-Z][A-Z0-9]*)(?P<rest>[^;]*);",
)
_LABEL = re.compile(r"^(?P<label>\.L\w+):")
_TARGET = re.compile(r"`\((?P<label>\.L\w+)\)")


@dataclass(frozen=True)
class Cost:
    """What a kernel takes of a GPU, and its inner loop of each sample.

    Attributes:
        registers: of a thread.
        spilled: bytes stored for want of registers.
        instructions, floating, conversions, memory: a sample, all of them, those of floating-point arithmetic, those
            between numbers and integers (which run at a fraction of the rate of others), and loads or atomic additions.
    """

    registers: int
    spilled: int
    instructions: float
    floating: float
    conversions: float
    memory: float


def tool(name: str) -> str | None:
    """The path of one of ``TOOLS``, of its package or else of the system; None where it is not installed."""
    try:
        files = metadata.files(TOOLS[name]) or []
    except metadata.PackageNotFoundError:
        files = []
    inside = [str(file.locate()) for file in files if file.stem == name and Path(str(file.locate())).is_file()]
    return inside[0] if inside else shutil.which(name)


def cost(ptx: str) -> Cost:
    """What one kernel costs on the architecture that it was compiled for.

    Raises:
        RuntimeError: with what ptxas or nvdisasm says.
    """
    with tempfile.TemporaryDirectory() as folder:
        source, binary = Path(folder, "kernel.ptx"), Path(folder, "kernel.cubin")
        source.write_text(ptx)
        report = _run("ptxas", f"-arch={_match(r'^.target (sm_[0-9a-z]+)', ptx)}", "-v", "-o", str(binary), str(source))
        listing = _run("nvdisasm", "-c", str(binary))
    loop = inner_loop(listing)
    samples = loop["F2I"] / _INDICES
    return Cost(
        registers=int(_match(r"Used (\d+) registers", report)),
        spilled=int(_match(r"(\d+) bytes spill stores", report)),
        instructions=loop.total() / samples,
        floating=sum(loop[name] for name in _FLOAT) / samples,
        conversions=sum(loop[name] for name in _CONVERSION) / samples,
        memory=sum(loop[name] for name in _MEMORY) / samples,
    )


def inner_loop(listing: str) -> Counter[str]:
    """How often each instruction stands in the shortest loop that reaches all corners of a cell.

    Raises:
        RuntimeError: where there is none.
    """
    names: list[str] = []
    labels: dict[str, int] = {}
    jumps: list[tuple[int, str]] = []
    for line in listing.splitlines():
        if label := _LABEL.match(line):
            labels[label["label"]] = len(names)
        elif instruction := _INSTRUCTION.match(line):
            if instruction["name"] == "BRA" and (target := _TARGET.search(instruction["rest"])):
                jumps.append((len(names), target["label"]))
            names.append(instruction["name"])
    loops = [Counter(names[labels[label] : end + 1]) for end, label in jumps if labels.get(label, end + 1) <= end]
    loops = [loop for loop in loops if sum(loop[name] for name in _MEMORY) >= _CORNERS and loop["F2I"]]
    if not loops:
        raise RuntimeError("The machine code has no loop over samples.")
    return min(loops, key=Counter.total)


def _run(name: str, *arguments: str) -> str:
    path = tool(name)
    if path is None:
        raise RuntimeError(f"{name} is not installed: pip install {TOOLS[name]}")
    done = subprocess.run([path, *arguments], capture_output=True, text=True, check=False)
    if done.returncode:
        raise RuntimeError(f"{name}: {done.stderr.strip()}")
    # ptxas reports on one, nvdisasm writes to the other
    return done.stdout + done.stderr


def _match(pattern: str, text: str) -> str:
    match = re.search(pattern, text, re.MULTILINE)
    assert match is not None, text
    return match[1]
