"""What a user's session in Slicer does: inputs of the engine from chosen nodes, runs, and their results in the scene.

Runs and looks at inputs import the engine when it is needed, so that a panel can load, and say what is missing, before
torch is installed.
"""

from SphericalRegLib.scene.session.carm_view import CArmView
from SphericalRegLib.scene.session.converted_ct import ConvertedCT
from SphericalRegLib.scene.session.landscape_run import LandscapeRun
from SphericalRegLib.scene.session.live_view import LiveView
from SphericalRegLib.scene.session.registration_run import RegistrationRun
from SphericalRegLib.scene.session.training_run import TrainingRun

__all__ = ["CArmView", "ConvertedCT", "LandscapeRun", "LiveView", "RegistrationRun", "TrainingRun"]
