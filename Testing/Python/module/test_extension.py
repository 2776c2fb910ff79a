"""What holds the extension's files together: CMake lists, icons, requirements, the index entry, imports."""

import ast
import json
import re
import struct
import subprocess
import sys

import pytest

from Testing.Python.module.parameters import MODULE

ROOT = MODULE.parent
LIBRARY = ROOT / "SphericalRegLib"

# What Slicer itself brings, so that it may be imported when the module is loaded.
LIGHT = {"slicer", "vtk", "qt", "ctk", "SphericalRegUI", "SelfTestCase"} | set(sys.stdlib_module_names)


def listed(file, variable):
    """The entries of a list in a CMake file."""
    text = file.read_text(encoding="utf-8")
    body = re.search(rf"set\({variable}\n(.*?)\n\s*\)", text, re.DOTALL)
    assert body is not None, f"{file} has no {variable}"
    name = re.search(r"set\(MODULE_NAME (\w+)\)", text)
    entries = [line.strip() for line in body.group(1).splitlines() if line.strip()]
    return [entry.replace("${MODULE_NAME}", name.group(1)) if name else entry for entry in entries]


def assert_same_files(found, file, variable):
    entries = listed(file, variable)
    assert len(entries) == len(set(entries)), f"{file} lists a file twice"
    missing, gone = sorted(set(found) - set(entries)), sorted(set(entries) - set(found))
    assert not missing, f"{file}: add to {variable}:\n  " + "\n  ".join(missing)
    assert not gone, f"{file}: remove from {variable}:\n  " + "\n  ".join(gone)


def relative(folder, pattern):
    return [path.relative_to(folder).as_posix() for path in folder.rglob(pattern) if path.is_file()]


class TestCMake:
    def test_lists_every_file_of_the_library(self):
        assert_same_files(relative(LIBRARY, "*.py"), LIBRARY / "CMakeLists.txt", "MODULE_PYTHON_SCRIPTS")

    def test_lists_every_plan_of_a_study(self):
        assert_same_files(relative(LIBRARY, "*.yaml"), LIBRARY / "CMakeLists.txt", "MODULE_PYTHON_RESOURCES")

    def test_lists_every_file_of_the_module(self):
        scripts = [name for name in relative(MODULE, "*.py") if not name.startswith("Resources")]
        assert_same_files(scripts, MODULE / "CMakeLists.txt", "MODULE_PYTHON_SCRIPTS")

    def test_lists_every_resource_of_the_module(self):
        resources = [f"Resources/{name}" for name in relative(MODULE / "Resources", "*")]
        assert_same_files(resources, MODULE / "CMakeLists.txt", "MODULE_PYTHON_RESOURCES")

    def test_ships_the_whole_sample(self):
        sample = relative(ROOT / "Resources" / "SampleData", "*")
        assert_same_files(sample, LIBRARY / "CMakeLists.txt", "SAMPLE_FILES")

    def test_puts_the_sample_where_the_library_looks_for_it(self):
        text = (LIBRARY / "CMakeLists.txt").read_text(encoding="utf-8")
        assert "${Slicer_QTSCRIPTEDMODULES_LIB_DIR}/SphericalRegLib/sample_data/" in text
        assert '_PACKAGE / "sample_data"' in (LIBRARY / "sample.py").read_text(encoding="utf-8")

    def test_runs_every_self_test(self):
        folder = ROOT / "Testing" / "Slicer"
        tests = [name for name in relative(folder, "*.py") if name != "SelfTestCase.py"]
        assert_same_files(tests, folder / "CMakeLists.txt", "SELF_TESTS")

    def test_enters_every_folder(self):
        text = (ROOT / "CMakeLists.txt").read_text(encoding="utf-8")
        for name in ("SphericalRegLib", "SphericalReg", "Testing"):
            assert f"add_subdirectory({name})" in text
            assert (ROOT / name / "CMakeLists.txt").is_file()

    def test_no_other_python_file_lies_beside_the_module(self):
        """Slicer takes every .py file in that folder for a module."""
        assert [path.name for path in MODULE.glob("*.py")] == ["SphericalReg.py"]


class TestIndexEntry:
    @pytest.fixture
    def entry(self):
        return json.loads((ROOT / "SphericalReg.json").read_text(encoding="utf-8"))

    def test_has_the_fields_of_the_schema_and_no_others(self, entry):
        required = {"$schema", "category", "scm_url"}
        allowed = required | {"scm_revision", "build_dependencies", "build_subdirectory", "tier"}
        assert required <= set(entry) <= allowed
        assert entry["tier"] == 3
        assert entry["$schema"].endswith("slicer-extension-catalog-entry-schema-v1.0.1.json#")

    def test_says_what_cmake_says(self, entry):
        text = (ROOT / "CMakeLists.txt").read_text(encoding="utf-8")
        said = dict(re.findall(r'set\((EXTENSION_\w+) "([^"]*)"\)', text))
        assert said["EXTENSION_CATEGORY"] == entry["category"]
        assert said["EXTENSION_DEPENDS"].split() == entry["build_dependencies"]
        assert said["EXTENSION_HOMEPAGE"] == entry["scm_url"]
        assert "not for clinical use" in said["EXTENSION_DESCRIPTION"].lower()
        icon = said["EXTENSION_ICONURL"].partition("/main/")[2]
        assert (ROOT / icon).is_file()


@pytest.mark.parametrize(
    "path", [MODULE / "Resources" / "Icons" / "SphericalReg.png", ROOT / "Resources" / "Icons" / "SphericalReg.png"]
)
def test_icons_have_the_size_that_slicer_wants(path):
    header = path.read_bytes()[:24]
    assert header[:8] == b"\x89PNG\r\n\x1a\n"
    assert struct.unpack(">II", header[16:24]) == (128, 128)


def test_requirements_are_those_of_the_project_without_torch():
    if sys.version_info >= (3, 11):
        import tomllib
    else:
        import tomli as tomllib

    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    wanted = {line for line in project["dependencies"] if not line.startswith("torch")}
    wanted |= {line for line in project["optional-dependencies"]["learned"] if line.startswith("timm")}
    lines = (MODULE / "Resources" / "requirements.txt").read_text(encoding="utf-8").splitlines()
    assert {line for line in lines if line and not line.startswith("#")} == wanted


def test_the_panel_asks_for_every_package_that_the_project_needs():
    from SphericalRegLib.app.packages import NEEDED

    text = (MODULE / "Resources" / "requirements.txt").read_text(encoding="utf-8")
    lines = [line for line in text.splitlines() if line and not line.startswith("#")]
    required = {re.sub(r"\[.*\]", "", line) for line in lines}
    torch = re.search(r'"(torch>=[\d.]+)"', (ROOT / "pyproject.toml").read_text(encoding="utf-8"))[1]
    assert {f"{package}>={least}" for package, least in NEEDED.values()} == required | {torch}


def at_file_scope(file):
    """Top-level names of what is imported when a file is imported, and the files' names of the library among it."""
    heavy, library = set(), set()
    waiting = list(ast.parse(file.read_text(encoding="utf-8")).body)
    while waiting:
        node = waiting.pop()
        if isinstance(node, ast.Import):
            names = [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom) and node.level == 0:
            names = [node.module]
        else:
            if isinstance(node, ast.If) and "TYPE_CHECKING" in ast.unparse(node.test):
                waiting += node.orelse
            elif not isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
                waiting += [child for child in ast.iter_child_nodes(node) if isinstance(child, ast.stmt)]
            continue
        for name in names:
            (library if name.startswith("SphericalRegLib") else heavy).add(name)
    return {name.partition(".")[0] for name in heavy}, library


MODULE_FILES = sorted([MODULE / "SphericalReg.py", *(MODULE / "SphericalRegUI").glob("*.py")])


@pytest.mark.parametrize("file", MODULE_FILES, ids=[file.name for file in MODULE_FILES])
def test_the_module_imports_nothing_heavy_at_file_scope(file):
    outside, library = at_file_scope(file)
    assert outside - LIGHT == set()
    if file.name == "SphericalReg.py":
        assert library == set(), "it is what puts the library on the path"


def test_what_the_panel_imports_of_the_library_at_file_scope_needs_nothing_but_python():
    """So that the panel opens, and says what is missing, before anything is installed."""
    wanted = sorted(set().union(*(at_file_scope(file)[1] for file in MODULE_FILES)))
    assert len(wanted) > 5
    script = f"""
import importlib, sys

class OnlyPython:
    def find_spec(self, name, path=None, target=None):
        if name.partition(".")[0] not in {{"SphericalRegLib", *sys.stdlib_module_names}}:
            raise ImportError(f"{{name}} is imported at file scope")

sys.meta_path.insert(0, OnlyPython())
for name in {wanted!r}:
    importlib.import_module(name)
"""
    subprocess.run([sys.executable, "-c", script], cwd=ROOT, check=True)


def test_no_popup_tells_of_success():
    for file in MODULE_FILES:
        text = file.read_text(encoding="utf-8")
        assert not re.search(r"infoDisplay|QMessageBox|messageBox|processEvents", text), file


def test_texts_for_users_can_be_translated():
    """Every text that say() or a button shows goes through _(), or is made of such."""
    for file in MODULE_FILES:
        for node in ast.walk(ast.parse(file.read_text(encoding="utf-8"))):
            if (
                isinstance(node, ast.Call)
                and ast.unparse(node.func) == "say"
                and isinstance(node.args[1], ast.Constant)
            ):
                assert node.args[1].value == "", f"{file.name}:{node.lineno}"


def test_the_layout_manager_is_never_taken_for_granted():
    for file in MODULE_FILES:
        text = file.read_text(encoding="utf-8")
        for line in text.splitlines():
            if "layoutManager()" in line and "is None" not in line:
                # kept under a name, which is then looked at
                kept = re.fullmatch(r"\s*(\w+) = slicer\.app\.layoutManager\(\)", line)
                assert kept is not None, f"{file.name}: {line}"
                assert f"{kept[1]} is None" in text, f"{file.name}: {line}"


def test_files_are_short():
    for file in MODULE_FILES:
        assert len(file.read_text(encoding="utf-8").splitlines()) < 380, file.name
