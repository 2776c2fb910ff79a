"""What a deleted node was chosen for: left alone, a selector would take another node in its place. No Qt."""

from SphericalRegLib.app.panel.packs import camel_case
from SphericalRegLib.app.panel.snapshot import CHOSEN_NODES

# Of the parameter node, those that hold a node.
FIELDS = (*map(camel_case, CHOSEN_NODES), "carmMarkups", "currentResult", "currentLandscape")


def letGo(parameters, node):
    """Choose nothing wherever a node that leaves the scene is chosen; returns the names of these fields."""
    fields = []
    for name in FIELDS:
        chosen = getattr(parameters, name)
        if chosen is not None and chosen.GetID() == node.GetID():
            fields.append(name)
    for name in fields:
        setattr(parameters, name, None)
    return fields
