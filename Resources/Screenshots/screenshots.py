"""The pictures of the README's tutorial, taken in 3D Slicer while it does what the tutorial says.

    cd Resources/Screenshots
    Slicer --additional-module-paths ../../SphericalReg --python-script screenshots.py .

The last argument is the folder that they are written to. It ends the application when it is done; the exit code is 1
where a step failed.
"""

import os
import sys
import time
import traceback

import qt
import slicer

_SIZE = (1500, 1000)
_PANEL_WIDTH = 520


class Photographer:
    """Drives the panel as a user does, and keeps pictures of the main window.

    :param folder: where they go.
    """

    def __init__(self, folder):
        self.folder = folder
        self.window = slicer.util.mainWindow()
        self.window.showNormal()
        self.window.resize(*_SIZE)
        slicer.util.selectModule("SphericalReg")
        slicer.app.layoutManager().setLayout(slicer.vtkMRMLLayoutNode.SlicerLayoutFourUpView)
        self.widget = slicer.modules.sphericalreg.widgetRepresentation().self()
        self.ui = self.widget.ui
        self.parameters = self.widget._parameterNode
        dock = self.window.findChild("QDockWidget", "PanelDockWidget")
        self.window.resizeDocks([dock], [_PANEL_WIDTH], qt.Qt.Horizontal)
        slicer.util.findChild(self.window, "DataProbeCollapsibleWidget").collapsed = True
        self.settle()

    def settle(self, seconds=1.0):
        """Let the application draw."""
        until = time.monotonic() + seconds
        while time.monotonic() < until:
            slicer.app.processEvents()

    def waitFor(self, controller, seconds=600.0):
        """Let a run end well."""
        until = time.monotonic() + seconds
        while controller.state.busy:
            if time.monotonic() > until:
                raise RuntimeError(f"It took longer than {seconds} s")
            slicer.app.processEvents()
        if controller.state.value != "idle":
            raise RuntimeError(f"The run ended in state {controller.state.value}")

    def open(self, *names):
        """Open these sections of the panel and close the others."""
        for name in ("carm", "inputs", "model", "register", "result", "landscape"):
            getattr(self.ui, f"{name}CollapsibleButton").collapsed = name not in names
        self.settle(0.3)

    def take(self, name):
        """A picture of the whole window."""
        self.settle()
        path = os.path.join(self.folder, f"{name}.png")
        if not self.window.grab().save(path):
            raise RuntimeError(f"{path} cannot be written")
        print(path)


def tutorial(folder):
    """All pictures, in the tutorial's order."""
    photographer = Photographer(folder)
    ui, parameters, session = photographer.ui, photographer.parameters, photographer.widget.logic.session
    layout = slicer.app.layoutManager()
    ui.sampleButton.click()
    photographer.open("inputs", "register")
    photographer.take("sample")
    photographer.open("carm")
    parameters.carm.primaryAngle, parameters.carm.secondaryAngle = 150.0, 15.0
    ui.carmGeometryGroupBox.collapsed = False
    ui.carmToneGroupBox.collapsed = False
    ui.ctIn3DCheckBox.checked = True
    photographer.settle(5.0)
    photographer.take("carm")
    ui.carmRemoveButton.click()
    ui.ctIn3DCheckBox.checked = False
    photographer.open("inputs", "register")
    # the first run on a machine compiles; the second one takes as long as all others
    for _ in range(2):
        ui.registerButton.click()
        photographer.waitFor(session.registration)
        if parameters.currentResult is None:
            raise RuntimeError(ui.registerStatusLabel.text)
    ui.ctIn3DCheckBox.checked = True
    photographer.open("register", "result")
    ui.overviewButton.click()
    photographer.take("registered")
    parameters.overlayMode = type(parameters.overlayMode).EDGES
    layout.setLayout(slicer.vtkMRMLLayoutNode.SlicerLayoutConventionalView)
    photographer.settle()
    ui.beamButton.click()
    photographer.take("overlay")
    ui.ctIn3DCheckBox.checked = False
    layout.setLayout(slicer.vtkMRMLLayoutNode.SlicerLayoutOneUp3DView)
    photographer.open("landscape")
    parameters.comparedSimilarities = [*parameters.comparedSimilarities, "learned"]
    ui.computeButton.click()
    photographer.waitFor(session.survey)
    ui.shownSimilarityComboBox.setCurrentText("learned")
    photographer.take("landscape")


def main():
    try:
        tutorial(sys.argv[-1])
    except Exception:
        traceback.print_exc()
        slicer.util.exit(1)
    else:
        slicer.util.exit(0)


qt.QTimer.singleShot(1000, main)
