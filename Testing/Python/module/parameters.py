"""A stand-in for the parameter node, which only the real application has; test_ui.py holds it to the same fields."""

import ast
import importlib.util
import sys
from functools import lru_cache
from pathlib import Path
from types import ModuleType, SimpleNamespace
from unittest.mock import patch

import SphericalRegLib
from Testing.Python.module.builders import choice

# Parameters that hold others.
PACKS = ("ViewGeometry", "CArmGeometry")
MODULE = Path(SphericalRegLib.__file__).resolve().parents[1] / "SphericalReg"


def class_named(file, name):
    """The syntax tree of a class in a file of the module."""
    tree = ast.parse((MODULE / file).read_text(encoding="utf-8"))
    return next(node for node in tree.body if isinstance(node, ast.ClassDef) and node.name == name)


def fields_of(name):
    """{field: (annotation as text, default as text or None)} of a class in ParameterNode.py."""
    body = class_named("SphericalRegUI/ParameterNode.py", name).body
    return {
        node.target.id: (ast.unparse(node.annotation), None if node.value is None else ast.unparse(node.value))
        for node in body
        if isinstance(node, ast.AnnAssign)
    }


@lru_cache
def choices():
    """Choices.py itself. Translation is the application's: here texts stay as they are."""
    untranslated = ModuleType("slicer.i18n")
    untranslated.tr = lambda text: text
    there = {"slicer": sys.modules.get("slicer") or ModuleType("slicer"), "slicer.i18n": untranslated}
    spec = importlib.util.spec_from_file_location("Choices", MODULE / "SphericalRegUI" / "Choices.py")
    loaded = importlib.util.module_from_spec(spec)
    with patch.dict(sys.modules, there):
        spec.loader.exec_module(loaded)
    return loaded


def choices_of(name):
    """{member: value} of an enumeration in Choices.py."""
    return {member.name: member.value for member in getattr(choices(), name)}


def labels_of(name):
    """{value: label} of an enumeration in Choices.py."""
    return {member.value: member.label() for member in getattr(choices(), name)}


def stand_in(name="SphericalRegParameterNode"):
    """An object with all the fields at their defaults, enumerations as objects with a ``value``."""
    made = SimpleNamespace()
    for field, (annotation, default) in fields_of(name).items():
        if annotation in PACKS:
            value = stand_in(annotation)
        elif annotation.startswith("vtk"):
            value = None
        elif default is None:
            value = {
                "list[str]": [],
                "Annotated[list[str], Default(generator=lambda: ['ncc', 'tone-free'])]": ["ncc", "tone-free"],
            }[annotation]
        elif "." in default and not default.replace(".", "").replace("-", "").isdigit():
            enumeration, member = default.split(".")
            value = choice(choices_of(enumeration)[member])
        else:
            value = ast.literal_eval(default)
        setattr(made, field, value)
    return made
