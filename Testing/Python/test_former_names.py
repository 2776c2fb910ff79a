"""Names that modules had before they moved still work, say so, and are used nowhere in this project."""

from __future__ import annotations

import ast
import importlib
import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

from SphericalRegLib import former_names
from SphericalRegLib.former_names import MODULES, NAMES

PACKAGE = "SphericalRegLib"
ROOT = Path(__file__).resolve().parents[2]
# These two files hold the former names themselves.
OWN = {"former_names.py", Path(__file__).name}
LEFT = [(module, name) for module, names in NAMES.items() for name in names]


@pytest.mark.parametrize("former", MODULES)
def test_a_former_module_is_the_new_one_and_says_so(former):
    new = importlib.import_module(f"{PACKAGE}.{MODULES[former]}")
    name = f"{PACKAGE}.{former}"
    sys.modules.pop(name, None)
    with pytest.warns(DeprecationWarning, match=re.escape(f"{name} is now {new.__name__}.")):
        assert importlib.import_module(name) is new
    assert new.__spec__.name == new.__name__


@pytest.mark.parametrize(("module", "name"), LEFT)
def test_a_name_that_left_a_module_is_served_by_it(module, name):
    home, new_name = NAMES[module][name]
    new = getattr(importlib.import_module(f"{PACKAGE}.{home}"), new_name)
    with pytest.warns(DeprecationWarning, match=re.escape(f"{name} is now {PACKAGE}.{home}.{new_name}.")):
        assert getattr(importlib.import_module(f"{PACKAGE}.{module}"), name) is new


@pytest.mark.parametrize("module", NAMES)
def test_other_names_are_missing_as_in_any_module(module):
    with pytest.raises(AttributeError, match="has no attribute 'nothing'"):
        _ = importlib.import_module(f"{PACKAGE}.{module}").nothing


def test_no_table_hides_a_file():
    for former in MODULES:
        path = ROOT / PACKAGE / former.replace(".", "/")
        assert not path.with_suffix(".py").exists(), f"{former} is a module: take it out of MODULES"
        assert not (path / "__init__.py").exists(), f"{former} is a package: take it out of MODULES"


def test_warnings_name_the_line_that_imports(tmp_path):
    script = tmp_path / "old.py"
    script.write_text(
        "import SphericalRegLib\nfrom SphericalRegLib.control import Job\nimport SphericalRegLib.control.job as job\n"
        "assert job.Job is Job and Job.__module__ == 'SphericalRegLib.app.jobs.job'\n",
        encoding="utf-8",
    )
    done = subprocess.run(
        [sys.executable, "-W", "always::DeprecationWarning", str(script)],
        env={**os.environ, "PYTHONPATH": str(ROOT)},
        capture_output=True,
        text=True,
        check=True,
    )
    assert f"{script}:2: DeprecationWarning: SphericalRegLib.control is now SphericalRegLib.app." in done.stderr
    assert f"{script}:3: DeprecationWarning: SphericalRegLib.control.job is now" in done.stderr


def test_former_names_survive_a_reload():
    """The panel's Reload forgets the package; its finder must not stay as one of many."""
    former_names.install()
    former_names.install()
    names = [type(finder).__qualname__ for finder in sys.meta_path]
    assert names.count("FormerModules") == 1


def imported_names(tree):
    """Dotted names of all that a file imports, anywhere in it."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.module:
            yield node.module
            yield from (f"{node.module}.{alias.name}" for alias in node.names)


def test_nothing_here_uses_a_former_name():
    former = {f"{PACKAGE}.{module}" for module in MODULES} | {f"{PACKAGE}.{module}.{name}" for module, name in LEFT}
    written = re.compile(rf"(?<![\w.])({'|'.join(re.escape(name) for name in sorted(former))})(?!\w)")
    files = [
        path
        for folder in (PACKAGE, "SphericalReg", "Testing", "Resources")
        for path in (ROOT / folder).rglob("*")
        if path.suffix in {".py", ".md"} and path.name not in OWN
    ]
    assert len(files) > 100
    uses = []
    for path in [*files, ROOT / "README.md", ROOT / "pyproject.toml"]:
        text = path.read_text(encoding="utf-8")
        names = set(written.findall(text))
        if path.suffix == ".py":
            names |= former & set(imported_names(ast.parse(text)))
        uses += [f"{path.relative_to(ROOT)}: {name}" for name in sorted(names)]
    assert uses == []
