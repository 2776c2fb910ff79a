"""A stand-in for the parameter node, which only the real application has; test_ui.py holds it to the same fields."""

import ast
from pathlib import Path
from types import SimpleNamespace

import SphericalRegLib

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


def choices_of(name):
    """{member: value} of an enumeration in Choices.py."""
    body = class_named("SphericalRegUI/Choices.py", name).body
    return {node.targets[0].id: ast.literal_eval(node.value) for node in body if isinstance(node, ast.Assign)}


def stand_in(name="SphericalRegParameterNode"):
    """An object with all the fields at their defaults, enumerations as objects with a ``value``."""
    made = SimpleNamespace()
    for field, (annotation, default) in fields_of(name).items():
        if annotation == "ViewGeometry":
            value = stand_in("ViewGeometry")
        elif annotation.startswith("vtk"):
            value = None
        elif default is None:
            value = {"list[str]": []}[annotation]
        elif "." in default and not default.replace(".", "").replace("-", "").isdigit():
            enumeration, member = default.split(".")
            value = SimpleNamespace(value=choices_of(enumeration)[member])
        else:
            value = ast.literal_eval(default)
        setattr(made, field, value)
    return made
