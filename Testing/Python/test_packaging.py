"""What holds pyproject.toml, constraints.txt, Makefile and the shipped files together."""

from __future__ import annotations

import ast
import importlib.metadata
import os
import re
import shutil
import subprocess
import sys
import zipfile
from pathlib import Path
from typing import Any

import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

import SphericalRegLib
from SphericalRegLib.errors import InputError
from SphericalRegLib.sample import sample_path

if sys.version_info >= (3, 11):
    import tomllib
else:
    import tomli as tomllib

ROOT = Path(SphericalRegLib.__file__).resolve().parents[1]


@pytest.fixture(scope="module")
def project() -> dict[str, Any]:
    return tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]


@pytest.fixture(scope="module")
def pins() -> dict[str, str]:
    """Version by distribution, for the running Python."""
    requirements = [Requirement(line) for line in _constraint_lines()]
    here = [r for r in requirements if r.marker is None or r.marker.evaluate()]
    names = [canonicalize_name(r.name) for r in here]
    assert len(set(names)) == len(names), "a distribution is pinned twice"
    assert all(str(r.specifier).startswith("==") for r in here)
    return {name: str(r.specifier)[2:] for name, r in zip(names, here, strict=True)}


def test_every_imported_library_is_a_declared_dependency(project: dict[str, Any]) -> None:
    extras = project["optional-dependencies"]
    declared = {
        canonicalize_name(Requirement(d).name)
        for group in ("evaluation", "learned", "datasets", "distributed")
        for d in project["dependencies"] + extras[group]
    }
    distributions = importlib.metadata.packages_distributions()
    undeclared = {}
    for file in (ROOT / "SphericalRegLib").rglob("*.py"):
        for name in _imported(file) - set(sys.stdlib_module_names) - {"SphericalRegLib", "slicer", "vtk"}:
            if not declared & {canonicalize_name(d) for d in distributions.get(name, [name])}:
                undeclared[name] = file.relative_to(ROOT).as_posix()
    assert undeclared == {}


def test_the_project_asks_for_lower_bounds_only(project: dict[str, Any]) -> None:
    groups = [project["dependencies"], *project["optional-dependencies"].values()]
    for requirement in (Requirement(text) for group in groups for text in group):
        assert [s.operator for s in requirement.specifier] == [">="], requirement


def test_constraints_lock_everything_that_the_project_and_its_tests_install(
    project: dict[str, Any], pins: dict[str, str]
) -> None:
    extras = project["optional-dependencies"]
    groups = [project["dependencies"], extras["evaluation"], extras["learned"], extras["datasets"], extras["test"]]
    waiting = [Requirement(text) for group in groups for text in group]
    seen: set[str] = set()
    while waiting:
        requirement = waiting.pop()
        name = canonicalize_name(requirement.name)
        if name in seen or (requirement.marker and not _applies(requirement)):
            continue
        seen.add(name)
        installed = importlib.metadata.distribution(name)
        assert pins.get(name) == installed.version.partition("+")[0], f"{name} {installed.version} in constraints.txt"
        children = [Requirement(text) for text in installed.requires or []]
        if name == "torch":
            children = [c for c in children if not _comes_with_the_build(c)]
        waiting += [c for c in children if not c.marker or any(_applies(c, e) for e in {"", *requirement.extras})]


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ('nvidia-cudnn-cu13==9.20.0.48; platform_system == "Linux"', True),
        ('cuda-bindings<14,>=13.0.3; platform_system == "Linux" and python_version < "3.15"', True),
        ('cuda-toolkit[cublas,nvtx]==13.0.3; platform_system == "Linux"', True),
        ("nvidia-nccl-cu13", False),
        ("sympy==1.13.3", False),
        ('tomli; python_version < "3.11"', False),
    ],
)
def test_gpu_libraries_are_known_by_what_torch_says_of_its_build_not_by_their_names(text: str, expected: bool) -> None:
    assert _comes_with_the_build(Requirement(text)) is expected


def test_every_supported_python_has_a_pin_of_everything_pinned_for_one() -> None:
    """A marker that leaves out a version would let pip choose freely there."""
    names: dict[str, set[str]] = {}
    requirements = [Requirement(line) for line in _constraint_lines()]
    for version in ("3.10", "3.11", "3.12", "3.13"):
        environment = {"python_version": version, "python_full_version": f"{version}.0", "sys_platform": "linux"}
        names[version] = {r.name for r in requirements if r.marker is None or r.marker.evaluate(environment)}
    parted = {r.name for r in requirements if r.marker and ">=" in str(r.marker)}
    assert all(parted <= pinned for pinned in names.values())


def test_test_files_import_at_their_head_only_what_make_test_installs(project: dict[str, Any]) -> None:
    """Slicer's packages are large and come with `make scene`: one such import ends the whole run with an error."""
    extras = project["optional-dependencies"]
    texts = project["dependencies"] + extras["evaluation"] + extras["learned"] + extras["datasets"] + extras["test"]
    declared = {canonicalize_name(Requirement(text).name) for text in texts} | {"packaging", "tomli", "tomllib"}
    distributions = importlib.metadata.packages_distributions()
    known = {*sys.stdlib_module_names, "SphericalRegLib", "Testing"}
    # test_paper_benchmarks.py puts their folder on the path.
    known |= {file.stem for file in (ROOT / "Testing" / "Benchmarks").glob("*.py")}
    missing = {}
    for file in (ROOT / "Testing" / "Python").rglob("*.py"):
        # These are not even imported without it: see conftest.py there.
        if (ROOT / "Testing" / "Python" / "scene") in file.parents:
            continue
        for module in _imported_at_the_head(file):
            name = module.partition(".")[0]
            installed = {canonicalize_name(d) for d in distributions.get(name, [name])}
            if module.startswith("Testing.Python.scene") or (name not in known and not declared & installed):
                missing[module] = file.relative_to(ROOT).as_posix()
    assert missing == {}


def test_torch_is_the_one_version_that_ci_has_a_build_of(pins: dict[str, str]) -> None:
    assert pins["torch"] == "2.13.0"


def test_the_sample_is_found_in_the_source_tree() -> None:
    assert sample_path("pelvis_lumbar_3mm.nii.gz") == ROOT / "Resources" / "SampleData" / "pelvis_lumbar_3mm.nii.gz"


def test_an_unknown_sample_is_an_error_that_lists_the_known_ones() -> None:
    with pytest.raises(InputError, match=r"skull\.nii.*pelvis_lumbar_3mm_labels\.json"):
        sample_path("skull.nii")


def test_every_sample_file_is_described_beside_it() -> None:
    folder = ROOT / "Resources" / "SampleData"
    text = (folder / "README.md").read_text()
    assert [f.name for f in folder.iterdir() if f.name != "README.md" and f"`{f.name}`" not in text] == []


def test_the_citation_names_the_version() -> None:
    assert f"version: {SphericalRegLib.__version__}\n" in (ROOT / "CITATION.cff").read_text()


def test_the_wheel_carries_the_sample_the_notices_and_the_command(tmp_path: Path) -> None:
    build = f"from hatchling.build import build_wheel; build_wheel({str(tmp_path)!r})"
    subprocess.run([sys.executable, "-c", build], cwd=ROOT, check=True, capture_output=True)
    (wheel,) = tmp_path.glob("*.whl")
    installed = tmp_path / "installed"
    with zipfile.ZipFile(wheel) as archive:
        archive.extractall(installed)
    (information,) = installed.glob("*.dist-info")
    assert {"LICENSE", "NOTICE"} <= {file.name for file in (information / "licenses").iterdir()}
    assert "sphericalreg = SphericalRegLib.cli.main:main" in (information / "entry_points.txt").read_text()
    assert not (installed / "Testing").exists()

    name = "pelvis_lumbar_3mm.nii.gz"
    find = f"import sys; sys.path.insert(0, {str(installed)!r}); from SphericalRegLib.sample import sample_path as p"
    run = [sys.executable, "-I", "-c", f"{find}; print(p({name!r}))"]
    found = Path(subprocess.run(run, cwd=tmp_path, check=True, capture_output=True, text=True).stdout.strip())
    assert found.is_relative_to(installed)
    assert found.read_bytes() == sample_path(name).read_bytes()


@pytest.mark.skipif(shutil.which("make") is None, reason="make is not installed")
class TestMake:
    def test_installs_torch_first(self, tmp_path: Path) -> None:
        installs = [line for line in _dry_make("demo", tmp_path) if "pip install" in line]
        assert installs[0].endswith(" torch")
        assert installs[1].endswith('--editable ".[learned]"')

    def test_installs_nothing_the_second_time(self, tmp_path: Path) -> None:
        for stamp in (".python", ".runtime", ".test"):
            (tmp_path / stamp).touch()
        assert not any("pip" in line or "venv " in line for line in _dry_make("demo", tmp_path))
        assert not any("pip" in line or "venv " in line for line in _dry_make("test", tmp_path))

    def test_installs_again_when_a_version_changed(self, tmp_path: Path) -> None:
        for stamp in (".python", ".runtime", ".test"):
            (tmp_path / stamp).touch()
            os.utime(tmp_path / stamp, (0, 0))
        assert any("[test,evaluation,learned,datasets]" in line for line in _dry_make("test", tmp_path))


def _constraint_lines() -> list[str]:
    lines = (ROOT / "constraints.txt").read_text().splitlines()
    return [line for line in lines if line and not line.startswith("#")]


def _imported_at_the_head(file: Path) -> set[str]:
    """Modules that importing the file imports, those after a condition at file scope left aside."""
    modules: set[str] = set()
    for node in ast.parse(file.read_text(encoding="utf-8")).body:
        if isinstance(node, ast.Import):
            modules |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.level == 0 and node.module:
            modules.add(node.module)
            modules |= {f"{node.module}.{alias.name}" for alias in node.names if node.module == "Testing.Python"}
    return modules


def _imported(file: Path) -> set[str]:
    """Top-level names of all absolute imports in a file, those within functions included."""
    names: set[str] = set()
    for node in ast.walk(ast.parse(file.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            names |= {alias.name.partition(".")[0] for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.level == 0 and node.module:
            names.add(node.module.partition(".")[0])
    return names


def _comes_with_the_build(child: Requirement) -> bool:
    """Whether torch asks for it on some systems only: the GPU libraries of one of its builds, which has chosen them."""
    return child.marker is not None and "platform_system" in str(child.marker)


def _applies(requirement: Requirement, extra: str = "") -> bool:
    return requirement.marker is None or requirement.marker.evaluate({"extra": extra})


def _dry_make(target: str, venv: Path) -> list[str]:
    """The commands that make would run, comments and messages aside."""
    clean = {key: value for key, value in os.environ.items() if not re.match("MAKE|MFLAGS", key)}
    command = ["make", "--dry-run", target, f"VENV={venv}"]
    lines = subprocess.run(command, cwd=ROOT, env=clean, check=True, capture_output=True, text=True).stdout.splitlines()
    return [line.replace(str(venv), "VENV") for line in lines]
