"""Section Result: the verdict in plain words, overlay, views, landmark errors, cost plot and report."""

import slicer
from slicer.i18n import tr as _

from SphericalRegUI.Cameras import cameraNode
from SphericalRegUI.Feedback import BAD_STYLE, ERROR_STYLE, GOOD_STYLE, reported, say

# One slice view for each X-ray.
_SLICE_VIEWS = ("Red", "Yellow")
_DEGREES, _MILLIMETERS = 0.01, 0.01


class ResultSection:
    """
    :param ui: the panel's widgets by name.
    :param parameters: returns the parameter node's wrapper, or None while there is none.
    :param session: what registers.
    """

    def __init__(self, ui, parameters, session):
        self.ui = ui
        self._parameters = parameters
        self._session = session
        self._shown = None
        self._display = None
        self._looked = False
        ui.overlayButton.connect("clicked()", lambda: self.showOverlay())
        ui.beamButton.connect("clicked()", lambda: self.lookAlongBeam())
        ui.overviewButton.connect("clicked()", lambda: self.lookAtScene())
        ui.ctIn3DCheckBox.connect("toggled(bool)", self.showCT)
        ui.costPlotButton.connect("clicked()", lambda: self.plotCost())
        ui.reportButton.connect("clicked()", lambda: self.writeReport())
        ui.removeResultButton.connect("clicked()", lambda: self.removeResult())
        ui.resultSelector.addAttribute("vtkMRMLLinearTransformNode", "SphericalReg.Result")
        session.registration.listen(self._onEvent)

    def update(self):
        """Show the chosen result, where it has changed, and enable what can be done with it."""
        parameters = self._parameters()
        node = parameters.currentResult
        ui = self.ui
        for button in (
            ui.overlayButton,
            ui.beamButton,
            ui.overviewButton,
            ui.costPlotButton,
            ui.reportButton,
            ui.removeResultButton,
        ):
            button.enabled = node is not None
        self._followCT(parameters.ctVolume)
        identity = None if node is None else node.GetID()
        if identity != self._shown:
            self._shown = identity
            self.show(node)
        display = (identity, parameters.overlayMode, parameters.overlayOpacity)
        if node is not None and self._display is None and _isInView(node):
            # a scene was loaded that shows it
            self._display = display
        if node is not None and self._display is not None and display != self._display:
            self.showOverlay()

    def forget(self):
        """Nothing is shown any more: the scene was closed."""
        self._shown = self._display = None
        self._looked = False

    def show(self, node):
        """The verdict, the figures and the landmark errors of a result."""
        ui = self.ui
        say(ui.resultStatusLabel, "")
        ui.landmarkTableView.setMRMLTableNode(None)
        if node is None:
            say(ui.verdictLabel, _("No result yet."))
            say(ui.figuresLabel, "")
            return
        with reported(ui.resultStatusLabel):
            from SphericalRegLib.scene.carm import carm_nodes, missing
            from SphericalRegLib.scene.results import record, select_result

            content = record(node)
            if content is None:
                say(ui.verdictLabel, _("'{name}' is no result of a registration.").format(name=node.GetName()))
                say(ui.figuresLabel, "")
                return
            say(ui.verdictLabel, *_verdict(content))
            say(ui.figuresLabel, self._figures(node, content))
            ui.landmarkTableView.setMRMLTableNode(carm_nodes(node).error_table)
            select_result(node)
            gone = missing(node)
            if gone:
                say(ui.resultStatusLabel, _("Deleted since: {what}.").format(what=", ".join(gone)), ERROR_STYLE)

    def refreshFigures(self, node):
        """A pose was drawn anew: where it is the shown result's, say that it was moved."""
        if node is None or node.GetID() != self._shown:
            return
        with reported(self.ui.resultStatusLabel):
            from SphericalRegLib.scene.results import record

            content = record(node)
            if content is not None:
                say(self.ui.figuresLabel, self._figures(node, content))

    def _figures(self, node, content):
        from SphericalRegLib.scene.results import moved_since

        lines = []
        degrees, millimeters = moved_since(node)
        if degrees > _DEGREES or millimeters > _MILLIMETERS:
            lines.append(
                _("Moved by {degrees}° and {mm} mm since: these figures are of the pose before.").format(
                    degrees=f"{degrees:.1f}", mm=f"{millimeters:.1f}"
                )
            )
        lines.append(
            _("Unexplained structure {cost} %; depth uncertainty ±{depth} mm (noise alone); {seconds} s.").format(
                cost=_told(content["verdict_cost"], 100, 1),
                depth=_told(content["depth_sd_mm"], 1, 2),
                seconds=f"{content['seconds']:.1f}",
            )
        )
        errors = content.get("errors") or {}
        if errors:
            lines.append(
                _("Against the true pose: mTRE {mtre} mm, mPE {mpe} mm, mRPE {mrpe} mm.").format(
                    mtre=f"{errors['mtre_mm']:.2f}", mpe=f"{errors['mpe_mm']:.2f}", mrpe=f"{errors['mrpe_mm']:.2f}"
                )
            )
        landmarks = {
            key: value for key, value in (content.get("landmark_errors_mm") or {}).items() if value is not None
        }
        if landmarks:
            told = ", ".join(f"{key.removesuffix('_mm')} {value:.2f} mm" for key, value in landmarks.items())
            lines.append(_("Landmarks: {errors}.").format(errors=told))
        return "\n".join(lines)

    def showOverlay(self, node=None):
        """X-ray and DRR in one slice view for each X-ray, and in 3D; of the shown result if no node is given."""
        parameters = self._parameters()
        node = node or parameters.currentResult
        with reported(self.ui.resultStatusLabel):
            from SphericalRegLib.scene.overlay import show_overlay

            self._session.overlayChosen(parameters, node)
            for index, sliceNode, composite in _sliceViews(node):
                fit = self._display is None or self._display[0] != node.GetID()
                mode, opacity = parameters.overlayMode.value, parameters.overlayOpacity
                show_overlay(node, index, sliceNode, composite, mode, opacity, fit=fit)
                display = (node.GetID(), parameters.overlayMode, parameters.overlayOpacity)
            if _sliceViews(node):
                self._display = display

    def drawn(self, node):
        """A DRR was drawn anew: let the slice views follow its C-arm, and say that a result was moved."""
        if self._parameters() is None or node is None:
            return
        if self._display is not None and self._display[0] == node.GetID():
            from SphericalRegLib.scene.carm import carm_nodes
            from SphericalRegLib.scene.overlay import align_slice

            images = carm_nodes(node).images
            for index, sliceNode, _composite in _sliceViews(node):
                if images[index] is not None:
                    align_slice(sliceNode, images[index], fit=False)
        elif node is self._session.preview:
            self.showOverlay(node)
        self.refreshFigures(node)

    def lookAlongBeam(self):
        """The beam's eye view of the first X-ray."""
        self._look("look_along_beam")

    def lookAtScene(self):
        """Source, patient and detector from aside."""
        self._look("look_at_carm")

    def _look(self, function):
        with reported(self.ui.resultStatusLabel):
            from SphericalRegLib.scene import camera

            node = cameraNode()
            if node is None:
                say(self.ui.resultStatusLabel, _("There is no 3D view to look into."), ERROR_STYLE)
                return
            getattr(camera, function)(node, self._parameters().currentResult)

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

    def _onEvent(self, event):
        from SphericalRegLib.control import Finished

        if isinstance(event, Finished) and self._parameters() is not None:
            self.update()
            if self._parameters().currentResult is not None:
                self.showOverlay()
                if not self._looked:
                    # the first one shows where it is; afterwards the view is the user's
                    self._looked = True
                    self.lookAtScene()


def _sliceViews(node):
    """[(view's number, slice node, composite node)]; empty where the application shows no slice views."""
    from SphericalRegLib.scene.carm import view_count

    found = []
    for index, name in enumerate(_SLICE_VIEWS[: view_count(node)]):
        sliceNode = slicer.mrmlScene.GetNodeByID(f"vtkMRMLSliceNode{name}")
        composite = slicer.mrmlScene.GetNodeByID(f"vtkMRMLSliceCompositeNode{name}")
        if sliceNode is not None and composite is not None:
            found.append((index, sliceNode, composite))
    return found


def _isInView(node):
    """Whether a slice view shows an image of a result."""
    from SphericalRegLib.scene.carm import belongings

    images = {one.GetID() for one in belongings(node) if one.IsA("vtkMRMLVolumeNode")}
    return any(composite.GetBackgroundVolumeID() in images for _index, _slice, composite in _sliceViews(node))


def _told(number, factor, digits):
    """A number in words; what was not finite is null in a record."""
    return "—" if number is None else f"{factor * number:.{digits}f}"


def _verdict(content):
    """(words, style): what it means first, then why."""
    if content["accepted"]:
        words, style = _("Accepted: the projected CT matches the X-ray."), GOOD_STYLE
    else:
        words, style = _("Rejected: do not rely on this pose."), BAD_STYLE
    return "\n".join([words, *content["reasons"], *content["cautions"]]), style
