import logging
import os
import sys

import slicer
import vtk
from slicer.i18n import tr as _
from slicer.i18n import translate
from slicer.ScriptedLoadableModule import (
    ScriptedLoadableModule,
    ScriptedLoadableModuleLogic,
    ScriptedLoadableModuleTest,
    ScriptedLoadableModuleWidget,
)
from slicer.util import VTKObservationMixin

# Installed, the library lies beside this file; run from source, it lies one folder above.
_here = os.path.dirname(os.path.abspath(__file__))
for _folder, _package in ((os.path.dirname(_here), "SphericalRegLib"), (_here, "SphericalRegUI")):
    if os.path.isdir(os.path.join(_folder, _package)) and _folder not in sys.path:
        sys.path.insert(0, _folder)


#
# SphericalReg
#


class SphericalReg(ScriptedLoadableModule):
    """2D/3D registration of a CT to one or two X-rays."""

    def __init__(self, parent):
        ScriptedLoadableModule.__init__(self, parent)
        self.parent.title = _("SphericalReg")
        self.parent.categories = [translate("qSlicerAbstractCoreModule", "Registration")]
        self.parent.dependencies = []
        self.parent.contributors = ["SphericalReg contributors"]
        self.parent.helpText = _("""
Finds the pose of the C-arm at which a CT, projected, matches one or two X-rays.<br>
<b>Research software. Not for clinical use.</b><br>
Load the sample, press Register, and look at the overlay; or choose a CT, an X-ray and its geometry.<br>
Without an X-ray: choose a CT and unfold C-arm, for its DRR at any pose.
""")
        self.parent.acknowledgementText = _("""
The sample CT and its bones come from TotalSegmentator (J. Wasserthal and others), licensed under Apache-2.0.
The method follows M. Chen and Y. Kong, WACV 2026; see the README for what differs.
""")
        slicer.app.connect("startupCompleted()", registerSampleData)


def registerSampleData():
    """Offer the sample in the module Sample Data, where that is there."""
    try:
        import SampleData  # noqa: F401
    except ImportError:
        return
    from SphericalRegUI import Samples

    Samples.registerSampleData(os.path.join(_here, "Resources", "Icons"))


#
# SphericalRegWidget
#


class SphericalRegWidget(ScriptedLoadableModuleWidget, VTKObservationMixin):
    """Binds the panel to the parameter node and to the scene's events; the rest is in SphericalRegUI."""

    def __init__(self, parent=None) -> None:
        ScriptedLoadableModuleWidget.__init__(self, parent)
        VTKObservationMixin.__init__(self)
        self.logic = None
        self.panel = None
        self._parameterNode = None
        self._parameterNodeGuiTag = None

    def setup(self) -> None:
        """Called when the user opens the module the first time and the widget is initialized."""
        ScriptedLoadableModuleWidget.setup(self)
        from SphericalRegUI.Panel import Panel

        uiWidget = slicer.util.loadUI(self.resourcePath("UI/SphericalReg.ui"))
        self.layout.addWidget(uiWidget)
        self.ui = slicer.util.childWidgetVariables(uiWidget)
        uiWidget.setMRMLScene(slicer.mrmlScene)

        self.logic = SphericalRegLogic()
        self.panel = Panel(self.ui, self.logic.session, self.resourcePath("requirements.txt"))

        scene = slicer.mrmlScene
        self.addObserver(scene, scene.StartCloseEvent, self.onSceneStartClose)
        self.addObserver(scene, scene.EndCloseEvent, self.onSceneEndClose)
        self.addObserver(scene, scene.EndImportEvent, self.onSceneEndImport)
        # before the node selectors, which take another node when theirs is deleted
        self.addObserver(scene, scene.NodeAboutToBeRemovedEvent, self.onNodeAboutToBeRemoved, priority=1.0)
        self.addObserver(scene, scene.NodeRemovedEvent, self.onNodeRemoved, priority=-1.0)
        self.initializeParameterNode()

    def cleanup(self) -> None:
        """Called when the application closes and the module widget is destroyed, and before a reload."""
        self.setParameterNode(None)
        if self.panel is not None:
            self.panel.setParameterNode(None)
        if self.logic is not None:
            self.logic.close()
        self.removeObservers()

    def enter(self) -> None:
        """Called each time the user opens this module."""
        self.initializeParameterNode()

    def exit(self) -> None:
        """Called each time the user opens a different module. What runs goes on, and DRRs follow dragged poses."""
        self.setParameterNode(None)

    def onReload(self) -> None:
        """Reload this file, the panel's files and the library."""
        from SphericalRegUI.Reloading import forgetPackages

        if self.logic is not None:
            # while its classes are those that it was made of
            self.logic.session.close()
        forgetPackages()
        ScriptedLoadableModuleWidget.onReload(self)

    def onSceneStartClose(self, caller, event) -> None:
        """Called just before the scene is closed."""
        self.setParameterNode(None)
        self.panel.setParameterNode(None)
        self.logic.session.sceneCloses()

    def onSceneEndClose(self, caller, event) -> None:
        """Called just after the scene is closed."""
        self.panel.forgetNews()
        if self.parent.isEntered:
            self.initializeParameterNode()

    def onSceneEndImport(self, caller, event) -> None:
        """Called just after a scene was loaded: its parameter node has replaced ours."""
        if self.parent.isEntered:
            self.initializeParameterNode()

    @vtk.calldata_type(vtk.VTK_OBJECT)
    def onNodeAboutToBeRemoved(self, caller, event, node) -> None:
        """Called before a node is deleted; closing the scene stops everything before that."""
        if not slicer.mrmlScene.IsClosing():
            self.panel.nodeRemoved(node)

    def onNodeRemoved(self, caller, event) -> None:
        """Called after a node was deleted."""
        if not slicer.mrmlScene.IsClosing():
            self.panel.nodeGone()

    def initializeParameterNode(self) -> None:
        """Ensure that the parameter node exists and is observed."""
        self.setParameterNode(self.logic.getParameterNode())

    def setParameterNode(self, parameterNode) -> None:
        """Bind the panel's widgets to the parameter node, or unbind them."""
        # observed is the node itself: its wrapper would be kept alive by the observation
        if self._parameterNode:
            self._parameterNode.disconnectGui(self._parameterNodeGuiTag)
            self.removeObserver(self._parameterNode.parameterNode, vtk.vtkCommand.ModifiedEvent, self.panel.update)
        self._parameterNode = parameterNode
        if self._parameterNode:
            self._parameterNodeGuiTag = self._parameterNode.connectGui(self.ui)
            self.addObserver(self._parameterNode.parameterNode, vtk.vtkCommand.ModifiedEvent, self.panel.update)
            self.panel.setParameterNode(self._parameterNode)


#
# SphericalRegLogic
#


class SphericalRegLogic(ScriptedLoadableModuleLogic):
    """Registrations, landscapes and training without the panel: see SphericalRegUI.Session."""

    def __init__(self) -> None:
        ScriptedLoadableModuleLogic.__init__(self)
        from SphericalRegUI import Scheduling
        from SphericalRegUI.Session import Session

        # Slicer logs everything; numba's compiler tells tens of thousands of things that nobody reads
        logging.getLogger("numba").setLevel(logging.WARNING)
        self._timers = [Scheduling.soon(), Scheduling.afterAPause()]
        self.session = Session(slicer.mrmlScene, *self._timers)

    def close(self):
        """Stop everything."""
        self.session.close()
        for timer in self._timers:
            timer.stop()

    def getParameterNode(self):
        """The wrapped parameter node of this scene."""
        from SphericalRegUI.ParameterNode import SphericalRegParameterNode

        from SphericalRegLib.app.panel.former_parameters import take_compared

        node = super().getParameterNode()
        compared = take_compared(node)
        parameters = SphericalRegParameterNode(node)
        if compared is not None:
            # of a scene that an earlier version saved
            parameters.comparedSimilarities = compared
        return parameters


#
# SphericalRegTest
#


class SphericalRegTest(ScriptedLoadableModuleTest):
    """Runs all self-tests of Testing/Slicer, for "Reload and Test"; ctest runs each of them on its own."""

    def setUp(self):
        slicer.mrmlScene.Clear()

    def runTest(self, **kwargs):
        from SphericalRegUI.SelfTests import runSelfTests

        self.delayDisplay(runSelfTests(_here))
