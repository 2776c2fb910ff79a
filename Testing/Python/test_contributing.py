"""CONTRIBUTING.md is followed to the letter in a copy of the package: what it says a table offers is offered."""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]

RUN = """
import sys
from pathlib import Path
from types import ModuleType

sys.modules |= {"slicer": ModuleType("slicer"), "slicer.i18n": ModuleType("slicer.i18n")}
sys.modules["slicer.i18n"].tr = lambda text: text
sys.path.insert(0, "SphericalReg")
from SphericalRegUI.Choices import Similarity

# the panel's list, before torch is loaded
assert Similarity.COSINE.label() == "Cosine"
assert "torch" not in sys.modules

import torch

import SphericalRegLib
from SphericalRegLib.cli.main import main
from SphericalRegLib.similarity import SIMILARITIES

assert Path(SphericalRegLib.__file__).parent == Path("SphericalRegLib").resolve()

# its derivative against central differences
generator = torch.Generator().manual_seed(0)
xray, base = (torch.rand(12, 14, generator=generator).double() for _ in range(2))
directions = torch.randn(6, 12, 14, generator=generator).double()
fixed = SIMILARITIES["cosine"].make().fix(xray, torch.ones(12, 14).double())
weights = fixed.support[None]

def cost(twist):
    images = (base + (twist[:, None, None] * directions).sum(0))[None]
    return float(fixed.compare(images, directions[None, :0], weights).cost)

gradient = fixed.compare(base[None], directions[None], weights).gradient[0]
for n in range(6):
    step = torch.zeros(6).double()
    step[n] = 1e-6
    assert abs((cost(step) - cost(-step)) / 2e-6 - float(gradient[n])) < 1e-7 * (1 + abs(float(gradient[n])))

# a kernel is one row
from SphericalRegLib.geometry import se3
from SphericalRegLib.geometry.view import View
from SphericalRegLib.geometry.volume import Volume
from SphericalRegLib.rendering import KERNELS, linearize

assert list(KERNELS) == ["numba", "torch-double", "cuda", "torch"]
volume = Volume(torch.rand(1, 6, 7, 8, generator=generator), torch.diag(torch.tensor([9.0, 8.0, 7.0, 1.0])).double())
view = View.from_spacing(12, 14, 1000.0, (9.0, 9.0))
pose = (se3.translation(torch.tensor([0.0, 0.0, 700.0]).double()) @ se3.translation(-volume.center))[None]
image, columns = linearize(volume, view, pose, samples=20, kernel="torch-double")
exact, exact_columns = linearize(volume.to(dtype=torch.float64), view, pose, samples=20, kernel="torch")
assert exact.max() > 1
assert torch.equal(image, exact.float())
assert torch.equal(columns, exact_columns.float())
assert main(["info"]) == 0
print("---")

ct, xray_file, pose = sys.argv[1:]
common = ["--ct", ct, "--downsample", "3", "--kernel", "torch-double", "--quiet", "--json"]
assert main(["systems"]) == 0
print("---")
assert main(["evaluate", *common, "--system", "quick", "--similarity", "cosine", "--cases", "1"]) == 0
print("---")
shown = ["--similarity", "cosine", "--steps", "3", "3", "--extent", "0.2", "0.2", "--size", "32", "--output", "out"]
assert main(["landscape", *common, "--xray", xray_file, "--start-pose", pose, *shown]) == 0
"""


def section(title: str) -> str:
    text = (ROOT / "CONTRIBUTING.md").read_text(encoding="utf-8")
    return re.search(rf"^## {title}\n(.*?)(?=^## |\Z)", text, re.MULTILINE | re.DOTALL)[1]  # type: ignore[index]


def blocks(text: str) -> list[str]:
    return re.findall(r"^```(?:python|text)\n(.*?)^```", text, re.MULTILINE | re.DOTALL)


def after(path: Path, line: str, new: str) -> None:
    text = path.read_text(encoding="utf-8")
    assert text.count(f"\n{line}\n") == 1, f"{path} has no single line {line!r}"
    path.write_text(text.replace(f"\n{line}\n", f"\n{line}\n{new}"), encoding="utf-8")


@pytest.fixture(scope="module")
def copy(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The package with what the sections on a similarity, a system and a kernel add."""
    folder = tmp_path_factory.mktemp("copy")
    shutil.copytree(ROOT / "SphericalRegLib", folder / "SphericalRegLib", ignore=shutil.ignore_patterns("__pycache__"))
    panel = Path("SphericalReg", "SphericalRegUI")
    (folder / panel).mkdir(parents=True)
    for name in ("__init__.py", "Choices.py"):
        shutil.copy(ROOT / panel / name, folder / panel)
    for title, line_before in (("A similarity", "_ENTRIES = ("), ("A kernel", "    NumbaKernel(),")):
        text = section(title)
        content, lines = blocks(text)
        (new,) = re.findall(r"New file `([^`]+)`", text)
        assert not (folder / new).exists()
        (folder / new).write_text(content, encoding="utf-8")
        *imported, entry = lines.splitlines(keepends=True)
        table = folder / re.findall(r"`_ENTRIES` of `([^`]+)`", text)[0]
        for line in imported:
            after(table, "from SphericalRegLib.rendering.numba_kernel import NumbaKernel", line)
        after(table, line_before, entry)
    text = section("A system")
    (row,) = blocks(text)
    after(folder / re.findall(r"`_rows\(\)` of `([^`]+)`", text)[0], "    return (", row)
    return folder


def test_what_was_added_is_offered_everywhere(copy: Path) -> None:
    sample = ROOT / "Resources" / "SampleData"
    files = ["pelvis_lumbar_3mm.nii.gz", "pelvis_lumbar_3mm_ap.dcm", "pelvis_lumbar_3mm_ap_truth.json"]
    found = subprocess.run(
        [sys.executable, "-c", RUN, *(str(sample / name) for name in files)],
        cwd=copy,
        env={**os.environ, "PYTHONPATH": str(copy)},
        capture_output=True,
        text=True,
        timeout=600,
        check=False,
    )
    assert found.returncode == 0, found.stderr
    machine, listed, evaluated, landscape = found.stdout.split("---\n")
    assert "torch-double: any device with double precision" in machine
    assert re.search(r"^quick +a few candidates around what is known, without a second try$", listed, re.MULTILINE)
    assert json.loads(evaluated)["cases"] == 1
    costs = json.loads(landscape)["costs"]
    assert list(costs) == ["cosine"]
    assert costs["cosine"]["minimum"]["value"] < 2


def test_every_file_that_is_named_is_there() -> None:
    text = (ROOT / "CONTRIBUTING.md").read_text(encoding="utf-8")
    named = {name for name in re.findall(r"`((?:SphericalRegLib|Testing)/[\w/.]+)`", text) if "NAME" not in name}
    assert len(named) > 10
    missing = {name for name in named if not (ROOT / name).exists()}
    assert missing == {"SphericalRegLib/similarity/cosine.py", "SphericalRegLib/rendering/torch_double.py"}


def test_the_tables_are_where_it_says() -> None:
    for path, words in (
        ("similarity/table.py", "_ENTRIES = ("),
        ("optimization/table.py", "_ENTRIES = ("),
        ("registration/initializers.py", "_ENTRIES = ("),
        ("registration/systems.py", "def _rows()"),
        ("rendering/table.py", "_ENTRIES: tuple"),
        ("evaluation/suites.py", "SUITES: dict"),
    ):
        assert words in (ROOT / "SphericalRegLib" / path).read_text(encoding="utf-8")
