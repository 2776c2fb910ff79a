"""Names that modules had before they moved: an import of one still works, with a DeprecationWarning that says the new.

Nothing in this project uses a former name; whoever wrote a script upon one has time to change it.
"""

from __future__ import annotations

import importlib
import sys
import warnings
from collections.abc import Callable, Sequence
from importlib.machinery import ModuleSpec
from types import ModuleType

_PACKAGE = "SphericalRegLib"

#: {former module: where it is now}, within this package.
MODULES = {
    "control": "app",
    "control.child_process": "app.child_process",
    "control.controller": "app.controller",
    "control.events": "app.events",
    "control.failure": "app.failure",
    "control.geometry_fields": "app.geometry_fields",
    "control.job": "app.job",
    "control.landscape_job": "app.landscape_job",
    "control.latest_wins": "app.latest_wins",
    "control.live_drr": "app.live_drr",
    "control.methods": "app.methods",
    "control.models": "app.models",
    "control.packages": "app.packages",
    "control.registration_job": "app.registration_job",
    "control.starts": "app.starts",
    "control.state": "app.state",
    "evaluation.description": "reporting.description",
    "evaluation.figures": "reporting.figures",
    "evaluation.landmark_errors": "reporting.landmark_errors",
    "evaluation.outcome": "reporting.outcome",
    "evaluation.report": "reporting.report",
    "evaluation.report_style": "reporting.report_style",
}

#: {module: {name that it held: (module, name) now}}; the module must take its ``__getattr__`` from :func:`served`.
NAMES: dict[str, dict[str, tuple[str, str]]] = {}


class FormerModules:
    """A finder and loader for ``sys.meta_path``: a former module is the new one itself, not a copy."""

    def find_spec(
        self, fullname: str, path: Sequence[str] | None = None, target: ModuleType | None = None
    ) -> ModuleSpec | None:
        """See :class:`importlib.abc.MetaPathFinder`."""
        package, _, name = fullname.partition(".")
        return ModuleSpec(fullname, self) if package == _PACKAGE and name in MODULES else None  # type: ignore[arg-type]

    def create_module(self, spec: ModuleSpec) -> None:
        """See :class:`importlib.abc.Loader`: an empty module, to be replaced."""

    def exec_module(self, module: ModuleType) -> None:
        """Import the new module and put it in the old one's place, from where Python takes what was imported."""
        former = module.__name__
        name = f"{_PACKAGE}.{MODULES[former.partition('.')[2]]}"
        warnings.warn(f"{former} is now {name}.", DeprecationWarning, stacklevel=2)
        sys.modules[former] = importlib.import_module(name)


def served(module: str) -> Callable[[str], object]:
    """The ``__getattr__`` of a module that some names have left."""
    moved = NAMES[module.partition(".")[2]]

    def attribute(name: str) -> object:
        if name not in moved:
            raise AttributeError(f"module {module!r} has no attribute {name!r}")
        home, new_name = moved[name]
        warnings.warn(f"{module}.{name} is now {_PACKAGE}.{home}.{new_name}.", DeprecationWarning, stacklevel=2)
        value: object = getattr(importlib.import_module(f"{_PACKAGE}.{home}"), new_name)
        return value

    return attribute


def install() -> None:
    """Let Python find former modules; also after the package was forgotten and is imported anew."""
    # an instance of the forgotten package's class is of another type
    sys.meta_path[:] = [finder for finder in sys.meta_path if type(finder).__qualname__ != FormerModules.__qualname__]
    # first: the files of a package lie under its former name's path as well, and would be loaded twice
    sys.meta_path.insert(0, FormerModules())
