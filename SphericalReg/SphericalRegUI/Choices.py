"""What the panel's combo boxes offer: the engine's names, with the words a user reads.

Of methods, similarities, optimizers and levels those of the library's tables, so that a row there is offered here; the
titles of similarities and optimizers are the field's own, and are shown as they are where no translation has them. The
other lists are the panel's; a test holds their values to the library's.
"""

import re
from enum import Enum

from slicer.i18n import tr as _

from SphericalRegLib.app.panel.methods import (
    DEFAULT,
    LEARNED_FIRST,
    LEVELS,
    METHODS,
    optimizer_choices,
    similarity_choices,
)
from SphericalRegLib.optimization.table import OPTIMIZERS
from SphericalRegLib.similarity.table import SIMILARITIES

# A scene keeps the member's name, which is the value in capitals; of these it has always kept another one.
_SAVED_AS = {"sgd": "GRADIENT_DESCENT", "l-bfgs": "LBFGS", LEARNED_FIRST: "LEARNED_FIRST"}


def _offered(kind, name, values):
    """An enumeration of a table's names; ``kind`` has its methods."""
    members = [(_SAVED_AS.get(value, re.sub(r"\W+", "_", value).upper()), value) for value in values]
    return kind(name, members, module=__name__)


def _inWords(value):
    """Of what nobody has found words for."""
    return value[:1].upper() + value[1:]


class _Method(Enum):
    """Ways to register."""

    def label(self):
        """For the combo box."""
        return {
            "automatic": _("Automatic"),
            "current pose": _("From current pose"),
            "landmarks": _("From landmarks"),
            "search": _("Search"),
        }.get(self.value, _inWords(self.value))

    def hint(self):
        """What it needs and how far it goes, in one line."""
        return {
            "automatic": _("Starts from the model, or else the chosen view; searches ±20°, 40 mm, 80 mm in depth."),
            "current pose": _(
                "Starts from the pose below, which must be within about 10° and 20 mm (of chosen bones: 4° and 5 mm)."
            ),
            "landmarks": _("Starts from at least 4 landmarks that are placed in the CT and in the X-ray."),
            "search": _("Searches widely around the chosen view: ±35°, 80 mm, 150 mm in depth. Takes longer."),
        }.get(self.value, "")


Method = _offered(_Method, "Method", METHODS)


class Preset(Enum):
    """Views to start from; values are those of ``SphericalRegLib.app.starts``."""

    AUTOMATIC = "automatic"
    AP = "AP"
    PA = "PA"
    LEFT_LATERAL = "left lateral"
    RIGHT_LATERAL = "right lateral"
    ANGLES = "angles"

    def label(self):
        """For the combo box."""
        return {
            Preset.AUTOMATIC: _("Automatic"),
            Preset.AP: _("AP (from front to back)"),
            Preset.PA: _("PA (from back to front)"),
            Preset.LEFT_LATERAL: _("Left lateral"),
            Preset.RIGHT_LATERAL: _("Right lateral"),
            Preset.ANGLES: _("The C-arm's angles, as above"),
        }[self]


class Tone(Enum):
    """What an X-ray's values are; values are those of ``SphericalRegLib.imaging.tone``."""

    ATTENUATION = "attenuation"
    INVERTED = "inverted"
    INTENSITY = "intensity"

    def label(self):
        """For the combo box."""
        return {
            Tone.ATTENUATION: _("Bone is bright"),
            Tone.INVERTED: _("Bone is dark"),
            Tone.INTENSITY: _("Raw intensity (bone is dark)"),
        }[self]


class _Similarity(Enum):
    """At the last stage, or the model's before it."""

    def label(self):
        """For the combo box."""
        own = {DEFAULT: _("Default"), LEARNED_FIRST: _("Learned, then default")}
        return own[self.value] if self.value in own else _(SIMILARITIES[self.value].title)


Similarity = _offered(_Similarity, "Similarity", similarity_choices())


class _Optimizer(Enum):
    """At the last stage."""

    def label(self):
        """For the combo box."""
        return _("Default") if self.value == DEFAULT else _(OPTIMIZERS[self.value].title)


Optimizer = _offered(_Optimizer, "Optimizer", optimizer_choices())


class _Levels(Enum):
    """Resolution of the last stage."""

    def label(self):
        """For the combo box."""
        name = {"default": _("Default"), "fast": _("Fast"), "fine": _("Fine")}.get(self.value, _inWords(self.value))
        pixels = LEVELS[self.value]
        return name if pixels is None else _("{name} ({count} pixels)").format(name=name, count=pixels)


Levels = _offered(_Levels, "Levels", LEVELS)


class OverlayMode(Enum):
    """How the DRR is shown over the X-ray; values are those of ``SphericalRegLib.scene.overlay``."""

    OPACITY = "opacity"
    CHECKERBOARD = "checkerboard"
    EDGES = "edges"
    DIFFERENCE = "difference"

    def label(self):
        """For the combo box."""
        return {
            OverlayMode.OPACITY: _("Opacity"),
            OverlayMode.CHECKERBOARD: _("Checkerboard"),
            OverlayMode.EDGES: _("Edges"),
            OverlayMode.DIFFERENCE: _("Difference"),
        }[self]


class PoseParameter(Enum):
    """Of a landscape; values are those of ``SphericalRegLib.landscape``."""

    RX = "rx"
    RY = "ry"
    RZ = "rz"
    TX = "tx"
    TY = "ty"
    TZ = "tz"

    def label(self):
        """For the combo box."""
        return {
            PoseParameter.RX: _("Rotation about x (°)"),
            PoseParameter.RY: _("Rotation about y (°)"),
            PoseParameter.RZ: _("Rotation about the beam (°)"),
            PoseParameter.TX: _("Shift along x (mm)"),
            PoseParameter.TY: _("Shift along y (mm)"),
            PoseParameter.TZ: _("Shift along the beam (mm)"),
        }[self]
