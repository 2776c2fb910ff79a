"""Section Landscape: the cost of similarities over two pose parameters."""

import qt
import slicer
from slicer.i18n import tr as _

from SphericalRegLib.similarity.table import LEARNED
from SphericalRegUI.Cameras import cameraNode
from SphericalRegUI.Feedback import ERROR_STYLE, followRun, reported, say
from SphericalRegUI.SimilarityBoxes import SimilarityBoxes


class LandscapeSection:
    """
    :param ui: the panel's widgets by name.
    :param parameters: returns the parameter node's wrapper, or None while there is none.
    :param session: what computes.
    :param ensurePackages: installs what is missing; whether all is there then.
    """

    def __init__(self, ui, parameters, session, ensurePackages):
        self.ui = ui
        self._parameters = parameters
        self._session = session
        self._ensurePackages = ensurePackages
        self._shown = None
        self._boxes = SimilarityBoxes(ui.similaritiesWidget, self._onCompared)
        ui.computeButton.connect("clicked()", lambda: self.compute())
        ui.cancelLandscapeButton.connect("clicked()", lambda: session.survey.cancel())
        ui.exportTableButton.connect("clicked()", lambda: self.exportTable())
        ui.exportPictureButton.connect("clicked()", lambda: self.exportPicture())
        ui.removeLandscapeButton.connect("clicked()", lambda: self.removeLandscape())
        ui.shownSimilarityComboBox.connect("currentIndexChanged(int)", self._onSimilarityChosen)
        ui.landscapeTableGroupBox.connect("toggled(bool)", lambda unfolded: self._onTableUnfolded())
        ui.landscapeSelector.addAttribute("vtkMRMLTableNode", "SphericalReg.Landscape")
        session.survey.events.connect(self._onEvent)
        session.landscapeMessage.connect(lambda text: say(ui.landscapeStatusLabel, text, ERROR_STYLE))

    def update(self, missing):
        """Enable what can be done; ``missing`` is what the inputs lack, in words."""
        parameters = self._parameters()
        missing = list(missing)
        if parameters.currentResult is None and parameters.currentPose is None:
            missing.append(_("Register first, or choose a current pose."))
        if parameters.firstParameter == parameters.secondParameter:
            missing.append(_("Choose two different parameters."))
        learns, compared = bool(parameters.modelFile), list(parameters.comparedSimilarities)
        self._boxes.show(compared)
        # what is checked can always be unchecked
        self.ui.learnedCheckBox.enabled = learns or LEARNED in compared
        if LEARNED in compared and not learns:
            missing.append(_("The learned similarity needs a model: choose one above, or uncheck it."))
        if not compared:
            missing.append(_("Check at least one similarity."))
        busy = self._session.survey.state.busy
        self.ui.computeButton.enabled = not missing and not busy
        self.ui.computeButton.toolTip = "\n".join(missing)
        table = parameters.currentLandscape
        identity = None if table is None else table.GetID()
        if identity != self._shown:
            self._show(table)
        else:
            self._showChosen(table)

    def _onCompared(self, names):
        if self._parameters() is not None:
            self._parameters().comparedSimilarities = names

    def forget(self):
        """Nothing is shown any more: the scene was closed."""
        self._show(None)

    def compute(self):
        """Begin, once the packages are there."""
        if not self._ensurePackages():
            return
        say(self.ui.landscapeStatusLabel, "")
        with reported(self.ui.landscapeStatusLabel):
            self._session.computeLandscape(self._parameters(), _("Landscape"))

    def exportTable(self):
        """Ask for a file and write the table."""
        path = qt.QFileDialog.getSaveFileName(
            slicer.util.mainWindow(), _("Export the table"), "landscape.csv", "CSV (*.csv)"
        )
        if not path:
            return
        with reported(self.ui.landscapeStatusLabel):
            from SphericalRegLib.errors import InputError

            path = path if path.lower().endswith(".csv") else f"{path}.csv"
            # {} of our own: that of exportNode keeps the format of the last export
            if not slicer.util.exportNode(self._parameters().currentLandscape, path, {}):
                raise InputError(_("{path} cannot be written: choose another place.").format(path=path))
            say(self.ui.landscapeStatusLabel, _("Written: {path}").format(path=path))

    def exportPicture(self):
        """Ask for a file and write a picture of the first 3D view."""
        layout = slicer.app.layoutManager()
        if layout is None or layout.threeDViewCount == 0:
            say(self.ui.landscapeStatusLabel, _("The layout shows no 3D view: choose one that does."), ERROR_STYLE)
            return
        path = qt.QFileDialog.getSaveFileName(
            slicer.util.mainWindow(), _("Export a picture of the 3D view"), "landscape.png", "PNG (*.png)"
        )
        if not path:
            return
        with reported(self.ui.landscapeStatusLabel):
            import ScreenCapture

            path = path if path.lower().endswith(".png") else f"{path}.png"
            view = layout.threeDWidget(0).threeDView()
            ScreenCapture.ScreenCaptureLogic().captureImageFromView(view, path)
            say(self.ui.landscapeStatusLabel, _("Written: {path}").format(path=path))

    def removeLandscape(self):
        """Remove the chosen landscape; the one made before it is chosen then."""
        parameters = self._parameters()
        table = parameters.currentLandscape
        with reported(self.ui.landscapeStatusLabel):
            from SphericalRegLib.scene.landscape import landscapes, remove_landscape

            others = [one for one in landscapes(slicer.mrmlScene) if one.GetID() != table.GetID()]
            parameters.currentLandscape = others[-1] if others else None
            remove_landscape(table)

    def _show(self, table):
        """Another landscape, or None: what can be done with it, its similarities and its table."""
        ui, box = self.ui, self.ui.shownSimilarityComboBox
        self._shown = None if table is None else table.GetID()
        for button in (ui.exportTableButton, ui.exportPictureButton, ui.removeLandscapeButton):
            button.enabled = table is not None
        self._fillTable()
        blocked = box.blockSignals(True)
        box.clear()
        if table is not None:
            with reported(ui.landscapeStatusLabel):
                from SphericalRegLib.scene.landscape import landscape_nodes, select_landscape

                select_landscape(table)
                box.addItem(_("None"))
                for name in landscape_nodes(table).surfaces:
                    box.addItem(name)
        box.blockSignals(blocked)
        box.enabled = box.count > 0
        self._showChosen(table)

    def _showChosen(self, table):
        """Let the list say which surface is visible: that was saved with the scene, or chosen elsewhere."""
        if table is None:
            return
        with reported(self.ui.landscapeStatusLabel):
            from SphericalRegLib.scene.landscape import landscape_nodes, shown_similarity

            box, shown = self.ui.shownSimilarityComboBox, shown_similarity(table)
            blocked = box.blockSignals(True)
            # the first item shows none
            box.setCurrentIndex(0 if shown is None else 1 + list(landscape_nodes(table).surfaces).index(shown))
            box.blockSignals(blocked)

    def _fillTable(self):
        """The table of the chosen landscape, while it is unfolded: a large one takes its time."""
        table = None if self._shown is None else slicer.mrmlScene.GetNodeByID(self._shown)
        self.ui.landscapeTableView.setMRMLTableNode(None if self.ui.landscapeTableGroupBox.collapsed else table)
        self.ui.landscapeTableView.resizeColumnsToContents()

    def _onTableUnfolded(self):
        # only here, for the cursor handles events: not while the panel is brought up to date
        with slicer.util.WaitCursor():
            self._fillTable()

    def _onSimilarityChosen(self, index):
        parameters = self._parameters()
        if parameters is None or parameters.currentLandscape is None or index < 0:
            return
        with reported(self.ui.landscapeStatusLabel):
            from SphericalRegLib.scene.landscape import landscape_nodes, show_landscape

            similarities = [None, *landscape_nodes(parameters.currentLandscape).surfaces]
            show_landscape(parameters.currentLandscape, similarities[index])

    def _onEvent(self, event):
        from SphericalRegLib.app import Finished, Progressed

        bar = self.ui.landscapeProgressBar
        if isinstance(event, Progressed):
            bar.setRange(0, event.step.total)
            bar.setValue(event.step.done)
        followRun(event, self.ui.landscapeStatusLabel, bar, self.ui.computeButton, self.ui.cancelLandscapeButton)
        if isinstance(event, Finished):
            self._look()

    def _look(self):
        """Turn the 3D view to the landscape, which lies beside the patient."""
        with reported(self.ui.landscapeStatusLabel):
            from SphericalRegLib.scene.landscape import look_at_landscape

            camera, table = cameraNode(), self._parameters().currentLandscape
            if camera is not None and table is not None:
                look_at_landscape(camera, table)
