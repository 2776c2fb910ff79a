"""What the panel's combo boxes offer: the engine's names, with the words a user reads."""

from enum import Enum

from slicer.i18n import tr as _


class Method(Enum):
    """Ways to register; values are those of ``SphericalRegLib.app.methods``."""

    AUTOMATIC = "automatic"
    CURRENT_POSE = "current pose"
    LANDMARKS = "landmarks"
    SEARCH = "search"

    def label(self):
        """For the combo box."""
        return {
            Method.AUTOMATIC: _("Automatic"),
            Method.CURRENT_POSE: _("From current pose"),
            Method.LANDMARKS: _("From landmarks"),
            Method.SEARCH: _("Search"),
        }[self]

    def hint(self):
        """What it needs and how far it goes, in one line."""
        return {
            Method.AUTOMATIC: _(
                "Starts from the model, or else the chosen view; searches ±20°, 40 mm, 80 mm in depth."
            ),
            Method.CURRENT_POSE: _("Starts from the pose below, which must be within about 5° and 10 mm."),
            Method.LANDMARKS: _("Starts from at least 4 landmarks that are placed in the CT and in the X-ray."),
            Method.SEARCH: _("Searches widely around the chosen view: ±35°, 80 mm, 150 mm in depth. Takes longer."),
        }[self]


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


class Similarity(Enum):
    """At the last stage, or the model's before it; values are those of ``SphericalRegLib.app.methods``."""

    DEFAULT = "default"
    TONE_FREE = "tone-free"
    GRADIENT_NCC = "gradient-ncc"
    LOCAL_NCC = "local-ncc"
    NCC = "ncc"
    MUTUAL_INFORMATION = "mutual-information"
    LEARNED_FIRST = "learned, then default"

    def label(self):
        """For the combo box."""
        return {
            Similarity.DEFAULT: _("Default"),
            Similarity.TONE_FREE: _("Tone-free gradient"),
            Similarity.GRADIENT_NCC: _("Gradient NCC"),
            Similarity.LOCAL_NCC: _("Local NCC"),
            Similarity.NCC: _("NCC"),
            Similarity.MUTUAL_INFORMATION: _("Mutual information"),
            Similarity.LEARNED_FIRST: _("Learned, then default"),
        }[self]


class Optimizer(Enum):
    """At the last stage; values are those of ``SphericalRegLib.app.methods``."""

    DEFAULT = "default"
    LEVENBERG_MARQUARDT = "levenberg-marquardt"
    ADAM = "adam"
    GRADIENT_DESCENT = "sgd"
    LBFGS = "l-bfgs"
    NELDER_MEAD = "nelder-mead"
    BOBYQA = "bobyqa"
    CMA_ES = "cma-es"

    def label(self):
        """For the combo box."""
        return {
            Optimizer.DEFAULT: _("Default"),
            Optimizer.LEVENBERG_MARQUARDT: _("Levenberg-Marquardt"),
            Optimizer.ADAM: _("Adam"),
            Optimizer.GRADIENT_DESCENT: _("Gradient descent"),
            Optimizer.LBFGS: _("L-BFGS"),
            Optimizer.NELDER_MEAD: _("Nelder-Mead"),
            Optimizer.BOBYQA: _("BOBYQA"),
            Optimizer.CMA_ES: _("CMA-ES"),
        }[self]


class Levels(Enum):
    """Resolution of the last stage; values are those of ``SphericalRegLib.app.methods``."""

    DEFAULT = "default"
    FAST = "fast"
    FINE = "fine"

    def label(self):
        """For the combo box."""
        return {
            Levels.DEFAULT: _("Default"),
            Levels.FAST: _("Fast (96 pixels)"),
            Levels.FINE: _("Fine (256 pixels)"),
        }[self]


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
