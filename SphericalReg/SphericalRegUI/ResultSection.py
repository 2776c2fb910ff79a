"""Section Result: the verdict in plain words, overlay, views, landmark errors, cost plot and report."""

import slicer
from slicer.i18n import tr as _
from slicer.util import VTKObservationMixin

from SphericalRegLib.scene.session.removal import is_carm
from SphericalRegUI import ResultWords
from SphericalRegUI.Cameras import cameraNode
from SphericalRegUI.CArmDisplay import CArmDisplay
from SphericalRegUI.Feedback import CAUTION_STYLE, ERROR_STYLE, reported, say
from SphericalRegUI.PoseNumbers import PoseNumbers
from SphericalRegUI.SliceHand import SliceHand

# Unlike None it is never the chosen result: what is shown is found anew.
_UNKNOWN = object()


class ResultSection(VTKObservationMixin):
    """
    :param ui: the panel's widgets by name.
    :param parameters: returns the parameter node's wrapper, or None while there is none.
    :param session: what registers.
    """

    def __init__(self, ui, parameters, session):
        VTKObservationMixin.__init__(self)
        self.ui = ui
        self._parameters = parameters
        self._session = session
        # the result that the words are of
        self._shown = _UNKNOWN
        self._watched = None
        self._moved = False
        self._display = CArmDisplay(parameters, session)
        self.numbers = PoseNumbers(ui, parameters, session, self._display)
        self.hand = SliceHand(self._display, self._pushed, ui.resultStatusLabel)
        self._looked = False
        ui.pushCheckBox.connect("toggled(bool)", self.hand.setActive)
        ui.backButton.connect("clicked()", lambda: self.goBack())
        ui.overlayButton.connect("clicked()", lambda: self.showOverlay())
        ui.beamButton.connect("clicked()", lambda: self.lookAlongBeam())
        ui.overviewButton.connect("clicked()", lambda: self.lookAtScene())
        ui.ctIn3DCheckBox.connect("toggled(bool)", self.showCT)
        ui.costPlotButton.connect("clicked()", lambda: self.plotCost())
        ui.reportButton.connect("clicked()", lambda: self.writeReport())
        ui.removeResultButton.connect("clicked()", lambda: self.removeResult())
        ui.resultSelector.addAttribute("vtkMRMLLinearTransformNode", "SphericalReg.Result")
        session.registration.events.connect(self._onEvent)

    def update(self):
        """Show the chosen result, where it has changed, and enable what can be done with it."""
        parameters = self._parameters()
        node = parameters.currentResult
        ui = self.ui
        for button in (ui.costPlotButton, ui.reportButton, ui.removeResultButton):
            button.enabled = node is not None
        for button in (ui.overlayButton, ui.beamButton, ui.overviewButton):
            button.enabled = self._display.chosen() is not None
        shown = self._display.node()
        ui.pushCheckBox.enabled = (shown is not None or ui.pushCheckBox.checked) and not self._running()
        ui.backButton.enabled = shown is not None and self._moved and self._display.shows(node or shown)
        ui.opacitySlider.enabled = parameters.overlayMode.value == "opacity"
        self._followCT(parameters.ctVolume)
        identity = None if node is None else node.GetID()
        with reported(ui.resultStatusLabel):
            changed = identity != self._shown
            if changed:
                self._shown = identity
                self.show(node)
            self._display.update()
            if changed and node is not None and not self._display.empty and not self._display.shows(node):
                self._display.show(node)
            # of what is in the views now
            self.refreshVerdict(node)
            self.numbers.update()
            self._hideFromSelectors()

    def forget(self):
        """Nothing is shown any more: the scene was closed."""
        self.removeObservers()
        self._shown = _UNKNOWN
        self._watched = None
        self._display.forget()
        self.numbers.forget()
        self.ui.pushCheckBox.checked = False
        self._looked = self._moved = False

    def show(self, node):
        """The verdict, the figures and the landmark errors of a result."""
        ui = self.ui
        say(ui.resultStatusLabel, "")
        say(ui.cautionsLabel, "")
        self._showTable(None)
        self._watch(node)
        if node is None:
            say(ui.verdictLabel, _("No result yet."))
            say(ui.figuresLabel, "")
            return
        with reported(ui.resultStatusLabel):
            from SphericalRegLib.scene.carm import carm_nodes, missing
            from SphericalRegLib.scene.results import record

            content = record(node)
            if content is None:
                say(ui.verdictLabel, _("'{name}' is no result of a registration.").format(name=node.GetName()))
                say(ui.figuresLabel, "")
                return
            say(ui.figuresLabel, ResultWords.figures(content))
            say(ui.cautionsLabel, ResultWords.cautions(content), CAUTION_STYLE)
            self._showTable(carm_nodes(node).error_table)
            if self._display.empty or self._display.shows(node):
                self._display.select(node)
            self.refreshVerdict(node)
            gone = missing(node)
            if gone:
                say(ui.resultStatusLabel, _("Deleted since: {what}.").format(what=", ".join(gone)), ERROR_STYLE)

    def refreshVerdict(self, node):
        """The verdict of the shown result: where it was moved since, its words and its projections are of the past."""
        if node is None or node.GetID() != self._shown:
            return
        with reported(self.ui.resultStatusLabel):
            from SphericalRegLib.scene.results import has_moved, moved_since, record, refresh_projections

            content = record(node)
            if content is None:
                return
            moved = has_moved(node)
            words, style = ResultWords.verdict(content, moved_since(node) if moved else None)
            other = self._display.node()
            if other is not None and not self._display.shows(node):
                words, style = ResultWords.ofAnother(node.GetName(), other.GetName(), words), ""
            say(self.ui.verdictLabel, words, style)
            self.ui.backButton.enabled = moved and self._display.shows(node)
            if moved != self._moved:
                self._moved = moved
                refresh_projections(node)

    def _showTable(self, table):
        self.ui.landmarkTableView.setMRMLTableNode(table)
        self.ui.landmarkTableView.setVisible(table is not None)
        self.ui.landmarkTableLabel.setVisible(table is not None)

    def _watch(self, node):
        """Follow a result that is moved, and its CT, whatever moves them."""
        self.removeObservers()
        self._watched = node
        if node is None:
            return
        moved = slicer.vtkMRMLTransformableNode.TransformModifiedEvent
        self.addObserver(node, moved, self._onResultMoved)
        with reported(self.ui.resultStatusLabel):
            from SphericalRegLib.scene.nodes import reference

            ct = reference(node, "CT")
            if ct is not None:
                self.addObserver(ct, moved, self._onResultMoved)

    def _onResultMoved(self, caller, event):
        parameters = self._parameters()
        if parameters is None or self._watched is None:
            return
        self.refreshVerdict(self._watched)
        # the current pose is drawn by the section Register
        if caller is self._watched and caller is not parameters.currentPose:
            with reported(self.ui.resultStatusLabel):
                self._session.poseMoved(parameters, caller)

    def _hideFromSelectors(self):
        """What belongs to a C-arm is nothing to register: leave it out where the inputs are chosen."""
        if not any(is_carm(node) for node in slicer.util.getNodesByClass("vtkMRMLLinearTransformNode")):
            made = []
        else:
            from SphericalRegLib.scene.carm import belongings, carms

            made = [one.GetID() for node in carms(slicer.mrmlScene) for one in belongings(node)]
        ui = self.ui
        for selector in (
            ui.ctSelector,
            ui.xray1Selector,
            ui.xray2Selector,
            ui.carmMarkupsSelector,
            ui.ctLandmarksSelector,
            ui.xray1LandmarksSelector,
            ui.xray2LandmarksSelector,
        ):
            # one that was chosen before stays, or the choice would be lost
            hidden = [identity for identity in made if identity != selector.currentNodeID]
            selector.sortFilterProxyModel().hiddenNodeIDs = hidden

    def shown(self):
        """The C-arm in the views, or None."""
        return self._display.node()

    def showOverlay(self):
        """X-ray and DRR of the result, or else of the current pose."""
        with reported(self.ui.resultStatusLabel):
            self._display.show(self._display.chosen())
            self._hideFromSelectors()
        self.refreshVerdict(self._parameters().currentResult)
        self.numbers.update()

    def placed(self, node):
        """A C-arm was placed: look at it. Its overlay is shown as soon as it is drawn."""
        self._looked = True
        if cameraNode() is not None:
            self._look("look_at_carm", node)

    def drawn(self, node):
        """A DRR was drawn anew: let the slice views follow its C-arm, and say that a result was moved."""
        if self._parameters() is None or node is None:
            return
        with reported(self.ui.resultStatusLabel):
            self._display.follow(node)
            self._hideFromSelectors()
        self.refreshVerdict(self._parameters().currentResult)
        self.numbers.update()

    def cArmDrawn(self, node, whole):
        """The C-arm that is moved by its numbers was drawn: show it where the overlay is."""
        if self._parameters() is None:
            return
        with reported(self.ui.resultStatusLabel):
            if not self._looked and cameraNode() is not None:
                self._looked = True
                self._look("look_at_carm", node)
            self._display.followCArm(node)
            self._hideFromSelectors()
        self.refreshVerdict(self._parameters().currentResult)
        self.numbers.update()

    def goBack(self):
        """The shown result at the pose that was registered."""
        with reported(self.ui.resultStatusLabel):
            from SphericalRegLib.scene.session.hand import back_to_registered

            back_to_registered(self._parameters().currentResult)
        self.update()

    def _pushed(self, node):
        """The hand moved a C-arm: one that nobody watches is drawn from here."""
        parameters = self._parameters()
        if parameters is not None and node is not self._watched and node is not parameters.currentPose:
            self._session.poseMoved(parameters, node)

    def _running(self):
        return self._session.registration.state.busy

    def lookAlongBeam(self):
        """The beam's eye view of the first X-ray."""
        self._look("look_along_beam")

    def lookAtScene(self):
        """Source, patient and detector from aside."""
        self._look("look_at_carm")

    def _look(self, function, carm=None):
        with reported(self.ui.resultStatusLabel):
            from SphericalRegLib.scene import camera

            node = cameraNode()
            if node is None:
                say(self.ui.resultStatusLabel, _("There is no 3D view to look into."), ERROR_STYLE)
                return
            getattr(camera, function)(node, carm or self._display.node() or self._display.chosen())

    def _followCT(self, volume):
        """Let the check box say whether the CT is shown: another may be chosen, or its rendering hidden elsewhere."""
        logic = slicer.modules.volumerendering.logic()
        display = None if volume is None else logic.GetFirstVolumeRenderingDisplayNode(volume)
        box = self.ui.ctIn3DCheckBox
        blocked = box.blockSignals(True)
        box.checked = bool(display is not None and display.GetVisibility())
        box.blockSignals(blocked)

    def showCT(self, visible):
        """The CT by volume rendering, or not."""
        parameters = self._parameters()
        if parameters is None or parameters.ctVolume is None:
            return
        with reported(self.ui.resultStatusLabel), slicer.util.WaitCursor():
            from SphericalRegLib.scene.rendering import show_ct_in_3d

            show_ct_in_3d(parameters.ctVolume, slicer.modules.volumerendering.logic(), visible)

    def plotCost(self):
        """Cost by iteration, in a plot view."""
        with reported(self.ui.resultStatusLabel):
            from SphericalRegLib.errors import InputError
            from SphericalRegLib.scene.carm import carm_nodes

            chart = carm_nodes(self._parameters().currentResult).cost_chart
            if chart is None:
                raise InputError(_("This result has no plot of its cost: it was deleted. Register again."))
            _makeRoomForPlot()
            slicer.modules.plots.logic().ShowChartInLayout(chart)

    def writeReport(self):
        """Ask for a folder and write the report there."""
        import qt

        folder = qt.QFileDialog.getExistingDirectory(slicer.util.mainWindow(), _("Folder for the report"))
        if not folder:
            return
        with reported(self.ui.resultStatusLabel), slicer.util.WaitCursor():
            self._session.writeReport(self._parameters().currentResult, folder, self._parameters().device)
            say(self.ui.resultStatusLabel, _("Written: {path}").format(path=f"{folder}/report.html"))

    def removeResult(self):
        """Remove the shown result; the one made before it is shown then."""
        parameters = self._parameters()
        node = parameters.currentResult
        with reported(self.ui.resultStatusLabel):
            from SphericalRegLib.scene.results import results

            others = [one for one in results(slicer.mrmlScene) if one.GetID() != node.GetID()]
            parameters.currentResult = others[-1] if others else None
            self._session.removeResult(node)
            self.update()

    def _onEvent(self, event):
        from SphericalRegLib.app import Cancelled, Failed, Finished

        if self._parameters() is None:
            return
        if isinstance(event, Cancelled | Failed):
            # the run's own C-arm is gone
            self.update()
        elif isinstance(event, Finished):
            self.update()
            if self._parameters().currentResult is not None:
                self.showOverlay()
                self._hideMarksIn3D()
                if not self._looked:
                    # the first one shows where it is; afterwards the view is the user's
                    self._looked = True
                    self.lookAtScene()

    def _hideMarksIn3D(self):
        """Landmarks in a raw X-ray lie in 3D where nothing else is; the result has its own, at the detector."""
        parameters = self._parameters()
        for marks in (parameters.xray1Landmarks, parameters.xray2Landmarks):
            if marks is not None and marks.GetDisplayNode() is not None:
                marks.GetDisplayNode().SetVisibility3D(False)


def _makeRoomForPlot():
    """Choose a layout with a plot that keeps the 3D view, which Slicer's choice for four views replaces."""
    layout = slicer.mrmlScene.GetFirstNodeByClass("vtkMRMLLayoutNode")
    if layout is None:
        return
    withPlot = (
        layout.SlicerLayoutConventionalPlotView,
        layout.SlicerLayoutFourUpPlotView,
        layout.SlicerLayoutFourUpPlotTableView,
        layout.SlicerLayoutOneUpPlotView,
        layout.SlicerLayoutThreeOverThreePlotView,
    )
    if layout.GetViewArrangement() not in withPlot:
        layout.SetViewArrangement(layout.SlicerLayoutConventionalPlotView)
