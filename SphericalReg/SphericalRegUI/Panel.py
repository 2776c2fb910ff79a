"""The panel as a whole: its sections, kept in step with the parameter node, the runs and the scene."""

import slicer
from slicer.i18n import tr as _

from SphericalRegUI import Dependencies, Samples
from SphericalRegUI.Feedback import ERROR_STYLE, reported, say
from SphericalRegUI.InputsSection import InputsSection
from SphericalRegUI.LandscapeSection import LandscapeSection
from SphericalRegUI.ModelSection import ModelSection
from SphericalRegUI.RegisterSection import RegisterSection
from SphericalRegUI.ResultSection import ResultSection


class Panel:
    """
    :param ui: the panel's widgets by name.
    :param session: what the panel sets going.
    :param requirementsPath: the list of packages besides torch.
    """

    def __init__(self, ui, session, requirementsPath):
        self.ui = ui
        self.session = session
        self._requirementsPath = requirementsPath
        self._node = None
        self._updating = False
        self.inputs = InputsSection(ui, self.parameterNode)
        self.model = ModelSection(ui, self.parameterNode, session, self.ensurePackages)
        self.register = RegisterSection(ui, self.parameterNode, session, self.ensurePackages)
        self.result = ResultSection(ui, self.parameterNode, session)
        self.landscape = LandscapeSection(ui, self.parameterNode, session, self.ensurePackages)
        ui.sampleButton.connect("clicked()", lambda: self.loadSample())
        ui.installButton.connect("clicked()", lambda: self.ensurePackages())
        session.onDrawn = self.result.drawn
        session.onCArmRemoved = self.update
        self.register.onPlaced = self.result.placed
        for controller in (session.registration, session.survey, session.training):
            controller.listen(self._onEvent)
        self.showMissingPackages()

    def parameterNode(self):
        """The parameter node that is shown, or was shown last; None while there is none."""
        return self._node

    def setParameterNode(self, node):
        """Show another parameter node, or none while the scene is being closed."""
        self._node = node
        if node is None:
            self.inputs.forget()
            self.register.stopObserving()
            self.result.forget()
            self.landscape.forget()
        else:
            self.model.refresh()
            self.update()

    def update(self, caller=None, event=None):
        """Bring every section up to date with the parameter node."""
        if self._node is None or self._updating:
            return
        self._updating = True
        try:
            missing = self.inputs.update()
            self.model.update()
            self.register.update(missing)
            self.result.update()
            self.landscape.update(missing)
        finally:
            self._updating = False

    def showMissingPackages(self):
        """Say which packages are missing, at the top; the rest of the panel stays usable."""
        missing = Dependencies.missing()
        text = _("Python packages are missing, without which nothing can be registered: {names}").format(
            names=", ".join(missing)
        )
        say(self.ui.dependencyLabel, text if missing else "", ERROR_STYLE)
        self.ui.dependencyFrame.setVisible(bool(missing))
        return missing

    def ensurePackages(self):
        """Install what is missing, if the user agrees; whether all is there in the end."""
        if not self.showMissingPackages():
            return True
        with reported(self.ui.dependencyLabel):
            Dependencies.install(self._requirementsPath)
            if not self.showMissingPackages():
                self.inputs.fillAgain()
                return True
        return False

    def loadSample(self):
        """Load the sample and choose its nodes."""
        complete = self.ensurePackages()
        with reported(self.ui.registerStatusLabel), slicer.util.WaitCursor():
            ct, xray, bones = Samples.loadSample()
            node = self._node
            with slicer.util.NodeModify(node):
                node.ctVolume, node.xray1Volume, node.segmentation = ct, xray, bones
                node.xray2Volume, node.segments = None, []
                # an earlier image's geometry is not this one's
                node.geometry1.sdd = 0.0
                if complete:
                    node.truth = Samples.loadTruth(slicer.mrmlScene)
                    model = Samples.modelPath()
                    node.modelFolder, node.modelFile = str(model.parent), str(model)
        self.update()

    def nodeRemoved(self, node):
        """A node is about to leave the scene."""
        stopped = self.session.nodeRemoved(node)
        if stopped is not None:
            text = _("'{name}' was deleted, so the run that used it was stopped.").format(name=stopped)
            say(self.ui.registerStatusLabel, text, ERROR_STYLE)

    def _onEvent(self, event):
        from SphericalRegLib.control import StateChanged

        if isinstance(event, StateChanged) and not event.after.busy:
            self.update()
