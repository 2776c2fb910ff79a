"""Which values of a view's geometry came from a header: another image does not inherit them, what was typed stays.

No Qt. What was filled is kept as text in the geometry, so that it is saved with the scene.
"""

import json

# What an empty field holds, and how far what is shown may be off from what was filled: half of the last digit.
_EMPTY = {
    "sdd": 0.0,
    "sad": 0.0,
    "rowSpacing": 0.0,
    "columnSpacing": 0.0,
    "offCenterColumns": 0.0,
    "offCenterRows": 0.0,
    "primaryAngle": 0.0,
    "secondaryAngle": 0.0,
    "rotation": 0.0,
    "mirrored": False,
    "anglesKnown": False,
    "tone": "attenuation",
}
_ROUNDING = {"rowSpacing": 5.1e-5, "columnSpacing": 5.1e-5, "rotation": 0.051}
_USUAL_ROUNDING = 5.1e-3
# Fields that are typed together, by what they are called in the panel.
GROUPS = {
    "sdd": ("sdd",),
    "sad": ("sad",),
    "spacing": ("rowSpacing", "columnSpacing"),
    "offCenter": ("offCenterColumns", "offCenterRows"),
    "mirrored": ("mirrored",),
    "angles": ("anglesKnown", "primaryAngle", "secondaryAngle", "rotation"),
    "tone": ("tone",),
}


def frameFilledFrom(geometry):
    """The frame whose header filled a geometry, or None where no header did."""
    return json.loads(geometry.filled)["frame"] if geometry.filled else None


def typedFields(geometry):
    """What the user typed: other than what was filled, or other than empty where nothing was filled."""
    filled = _filled(geometry)
    typed = set()
    for group in GROUPS.values():
        changed = {name for name in group if name in filled and not _same(geometry, name, filled[name])}
        new = [name for name in group if name not in filled]
        if any(not _same(geometry, name, _EMPTY[name]) for name in new):
            # a zero beside a number that was typed is typed too
            changed |= set(new)
        typed |= changed
    return typed


def takeBack(geometry):
    """Empty what a header filled and nobody typed over; whether anything was emptied."""
    filled, typed = _filled(geometry), typedFields(geometry)
    emptied = False
    for name in filled:
        if name not in typed and not _same(geometry, name, _EMPTY[name]):
            _set(geometry, name, _EMPTY[name])
            emptied = True
    geometry.filled = ""
    return emptied


def clear(geometry):
    """Empty all."""
    for name, value in _EMPTY.items():
        _set(geometry, name, value)
    geometry.filled = ""


def fill(geometry, header, frame, everything=False):
    """Type what a header says into a geometry and remember that; what the user typed stays.

    :param geometry: of the view; what an earlier header filled is replaced.
    :param header: a geometry as the header has it, its tone by value.
    :param frame: that it is of, counted from 0.
    :param everything: whether to replace what was typed as well.
    :returns: names of groups where something typed was kept that the header says otherwise.
    """
    typed = set() if everything else typedFields(geometry)
    takeBack(geometry)
    given = {name: _plain(getattr(header, name)) for name in _EMPTY}
    kept = [
        group
        for group, names in GROUPS.items()
        if any(name in typed and not _same(geometry, name, given[name]) for name in names)
    ]
    written = {name: value for name, value in given.items() if name not in typed}
    for name, value in written.items():
        _set(geometry, name, value)
    geometry.filled = json.dumps({"frame": frame, "values": written})
    return kept


def _filled(geometry):
    return json.loads(geometry.filled)["values"] if geometry.filled else {}


def _plain(value):
    """The value itself, of an enumeration's member what it stands for."""
    return getattr(value, "value", value)


def _same(geometry, name, value):
    here = _plain(getattr(geometry, name))
    if isinstance(value, float) or (isinstance(value, int) and not isinstance(value, bool)):
        return abs(here - value) <= _ROUNDING.get(name, _USUAL_ROUNDING)
    return here == value


def _set(geometry, name, value):
    if name == "tone":
        value = type(geometry.tone)(value)
    setattr(geometry, name, value)
