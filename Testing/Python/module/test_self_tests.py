"""The self-tests of Testing/Slicer cannot be run outside of the application: what can be checked of them is."""

import ast
import importlib.util
import re

import pytest

from Testing.Python.module.parameters import MODULE, fields_of
from Testing.Python.module.test_ui import UI

FOLDER = MODULE.parent / "Testing" / "Slicer"
FILES = sorted(FOLDER.glob("*.py"))
IDS = [file.stem for file in FILES]


@pytest.mark.parametrize("file", FILES, ids=IDS)
def test_they_compile_and_say_where_they_run(file):
    tree = ast.parse(file.read_text(encoding="utf-8"))
    compile(tree, str(file), "exec")
    assert "3D Slicer only" in ast.get_docstring(tree)


@pytest.mark.parametrize("file", FILES, ids=IDS)
def test_the_widgets_and_parameters_that_they_name_exist(file):
    text = file.read_text(encoding="utf-8")
    ui = UI.read_text(encoding="utf-8")
    for name in re.findall(r"\.ui\.(\w+)", text):
        assert f'name="{name}"' in ui, name
    for name in re.findall(r"\bparameters\.(\w+)", text):
        assert name in fields_of("SphericalRegParameterNode"), name
    for name in re.findall(r"\bgeometry1\.(\w+)", text):
        assert name in fields_of("ViewGeometry"), name


@pytest.mark.parametrize("file", FILES, ids=IDS)
def test_what_they_import_from_the_library_and_the_panel_exists(file):
    for node in ast.walk(ast.parse(file.read_text(encoding="utf-8"))):
        if not isinstance(node, ast.ImportFrom) or not node.module.startswith("Spherical"):
            continue
        root = MODULE if node.module.startswith("SphericalRegUI") else MODULE.parent
        base = root / node.module.replace(".", "/")
        source = base.with_suffix(".py") if base.with_suffix(".py").is_file() else base / "__init__.py"
        defined = source.read_text(encoding="utf-8")
        for alias in node.names:
            there = re.search(rf"^(def|class) {alias.name}\b|^{alias.name}\b", defined, re.MULTILINE)
            assert there or (base / f"{alias.name}.py").is_file(), f"{node.module}.{alias.name}"


@pytest.mark.parametrize("file", [file for file in FILES if file.stem != "SelfTestCase"], ids=lambda file: file.stem)
def test_each_holds_one_class_of_its_own_name_with_tests(file):
    classes = [node for node in ast.parse(file.read_text(encoding="utf-8")).body if isinstance(node, ast.ClassDef)]
    assert [one.name for one in classes] == [file.stem]
    assert any(isinstance(node, ast.FunctionDef) and node.name.startswith("test_") for node in classes[0].body)


def test_reload_and_test_finds_them_and_reports_failures(tmp_path):
    """The runner itself is plain Python."""
    spec = importlib.util.spec_from_file_location("SelfTests", MODULE / "SphericalRegUI" / "SelfTests.py")
    runner = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(runner)
    assert runner.selfTestFolder(MODULE) == FOLDER

    installed = tmp_path / "module"
    tests = installed / "SphericalRegSelfTests"
    tests.mkdir(parents=True)
    with pytest.raises(AssertionError, match="no self-test"):
        runner.runSelfTests(installed)
    good = (
        "import unittest\nclass A(unittest.TestCase):\n def test_a(self): pass\n def test_b(self): self.skipTest('x')\n"
    )
    (tests / "SphericalRegGoodTest.py").write_text(good)
    assert runner.runSelfTests(installed) == "2 self-tests passed, 1 skipped."
    (tests / "SphericalRegBadTest.py").write_text(good.replace("pass", "self.fail('broken')"))
    with pytest.raises(AssertionError, match="broken"):
        runner.runSelfTests(installed)
    with pytest.raises(FileNotFoundError, match="run them from the sources"):
        runner.selfTestFolder(tmp_path)
