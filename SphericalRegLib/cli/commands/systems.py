"""``sphericalreg systems``: the registration methods that there are, and how each is put together."""

from __future__ import annotations

from SphericalRegLib.cli.reading.system_choice import as_yaml, chosen_system
from SphericalRegLib.registration import SYSTEMS


def systems(name: str | None = None) -> int:
    """List the systems that --system takes, or print one as YAML, which --system takes as a file too.

    Args:
        name: of a system, or a result.json to see what made it; without it all are listed.
    """
    if name is not None:
        print(as_yaml(chosen_system(name)), end="")
        return 0
    width = max(len(one) for one in SYSTEMS)
    for one in SYSTEMS.values():
        print(f"{one.name:{width}}  {one.title}{' (needs a model)' if one.needs_model else ''}")
    print("Without --system: model where there is one, else intensity; bones-model or bones where bones are chosen.")
    return 0
