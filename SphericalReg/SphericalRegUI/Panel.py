"""The panel as a whole: its sections, kept in step with the parameter node, the runs and the scene."""

import slicer
from slicer.i18n import tr as _

from SphericalRegLib.app import StateChanged
from SphericalRegLib.app.panel.geometry_fields import ViewFields
from SphericalRegLib.app.panel.packs import write_pack
from SphericalRegLib.similarity.table import LEARNED
from SphericalRegUI import Dependencies, Samples
from SphericalRegUI.CArmSection import CArmSection
from SphericalRegUI.Choices import Method
from SphericalRegUI.Deletions import letGo
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
        self._emptied = []
        self.carm = CArmSection(ui, self.parameterNode, session)
        self.inputs = InputsSection(ui, self.parameterNode, self.update)
        self.model = ModelSection(ui, self.parameterNode, session, self.ensurePackages)
        self.register = RegisterSection(
            ui, self.parameterNode, session, self.ensurePackages, lambda: self.result.shown()
        )
        self.result = ResultSection(ui, self.parameterNode, session)
        self.landscape = LandscapeSection(ui, self.parameterNode, session, self.ensurePackages)
        ui.sampleButton.connect("clicked()", lambda: self.loadSample())
        ui.installButton.connect("clicked()", lambda: self.ensurePackages())
        session.drawn.connect(self.result.drawn)
        session.cArm.drawn.connect(self.result.cArmDrawn)
        session.cArmRemoved.connect(self.update)
        self.register.placed.connect(self.result.placed)
        for controller in (session.registration, session.survey, session.training):
            controller.events.connect(self._onEvent)
        self.showMissingPackages()

    def parameterNode(self):
        """The parameter node that is shown, or was shown last; None while there is none."""
        return self._node

    def setParameterNode(self, node):
        """Show another parameter node, or none while the scene is being closed."""
        self._node = node
        self.inputs.startAnew()
        if node is None:
            self.register.stopObserving()
            self.result.forget()
            self.carm.forget()
            self.landscape.forget()
        else:
            self.inputs.preselect()
            self.model.refresh()
            self.update()

    def update(self, caller=None, event=None):
        """Bring every section up to date with the parameter node."""
        if self._node is None or self._updating:
            return
        self._updating = True
        try:
            missing, start = self.inputs.update()
            model = self.model.update()
            startsFromModel = self._node.method is Method.AUTOMATIC
            self.register.update(missing, [*start, *(model if startsFromModel else [])])
            self.result.update()
            self.carm.update()
            self.landscape.update([*missing, *model] if LEARNED in self._node.comparedSimilarities else missing)
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
        # what was said was of other inputs
        self.forgetNews()
        with reported(self.ui.registerStatusLabel), slicer.util.WaitCursor():
            ct, xray, bones = Samples.loadSample()
            node = self._node
            with slicer.util.NodeModify(node):
                node.ctVolume, node.xray1Volume, node.segmentation = ct, xray, bones
                node.xray2Volume, node.segments = None, []
                # an earlier image's geometry is not this one's
                write_pack(node.geometry1, ViewFields())
                node.geometry1.filled = ""
                if complete:
                    node.truth = Samples.loadTruth(slicer.mrmlScene)
                    model = Samples.modelPath()
                    node.modelFolder, node.modelFile = str(model.parent), str(model)
        self.inputs.fillAgain()
        self.update()

    def nodeRemoved(self, node):
        """A node is about to leave the scene: what runs on it is stopped, and nothing is chosen in its place."""
        runs = (
            (self.session.registration, self.ui.registerStatusLabel),
            (self.session.survey, self.ui.landscapeStatusLabel),
        )
        busy = [one for one in runs if one[0].state.busy]
        stopped = self.session.nodeRemoved(node)
        self._letGo(node)
        text = _("'{name}' was deleted, so the run that used it was stopped.").format(name=stopped)
        for controller, label in busy:
            if not controller.state.busy:
                say(label, text, ERROR_STYLE)

    def _letGo(self, node):
        """A selector whose node is deleted takes another one: the fields are emptied before, and looked at after."""
        if self._node is None:
            return
        with slicer.util.NodeModify(self._node):
            emptied = letGo(self._node, node)
            self._emptied += emptied
            self.inputs.nodeDeleted(emptied, node.GetName())

    def nodeGone(self):
        """A node has left the scene: what it was chosen for stays empty."""
        fields, self._emptied = self._emptied, []
        for field in fields:
            if self._node is not None and getattr(self._node, field) is not None:
                setattr(self._node, field, None)

    def forgetNews(self):
        """Nothing that is said of runs and nodes is true any more: the scene was closed, or the sample is chosen."""
        self.inputs.forgetNews()
        for label in (
            self.ui.carmStatusLabel,
            self.ui.registerStatusLabel,
            self.ui.resultStatusLabel,
            self.ui.landscapeStatusLabel,
        ):
            say(label, "")

    def _onEvent(self, event):
        if not isinstance(event, StateChanged):
            return
        # it chooses other inputs
        self.ui.sampleButton.enabled = not (self.session.registration.state.busy or self.session.survey.state.busy)
        if event.after.busy and not event.before.busy:
            self.inputs.forgetNews()
        if not event.after.busy:
            self.update()
