"""Section C-arm: a DRR of the CT at any pose, by numbers, views, the 3D view's camera or handles; gray; files."""

import math

import qt
import slicer
import vtk
from slicer.i18n import tr as _
from slicer.util import VTKObservationMixin

from SphericalRegLib.app.packages import missing_packages
from SphericalRegLib.app.panel.carm_fields import CArmFields, carm_fields, carm_problem
from SphericalRegLib.app.panel.packs import read_pack, write_pack
from SphericalRegLib.geometry.carm_words import NAMED_VIEWS, primary_word, secondary_word, view_name
from SphericalRegUI.Cameras import cameraNode
from SphericalRegUI.Feedback import ERROR_STYLE, reported, say


def viewLabels():
    """{view's name: what the panel calls it}."""
    return {
        "AP": _("AP (from front to back)"),
        "PA": _("PA (from back to front)"),
        "left lateral": _("Left lateral"),
        "right lateral": _("Right lateral"),
        "LAO 45": _("LAO 45°"),
        "RAO 45": _("RAO 45°"),
        "LPO 45": _("LPO 45°"),
        "RPO 45": _("RPO 45°"),
        "inlet": _("Inlet (pelvis)"),
        "outlet": _("Outlet (pelvis)"),
    }


class CArmSection(VTKObservationMixin):
    """
    :param ui: the panel's widgets by name.
    :param parameters: returns the parameter node's wrapper, or None while there is none.
    :param session: what draws.
    """

    def __init__(self, ui, parameters, session):
        VTKObservationMixin.__init__(self)
        self.ui = ui
        self._parameters = parameters
        self._session = session
        # what was drawn last, or is about to be
        self._asked = None
        self._observed = None
        self._complete = False
        ui.carmViewComboBox.addItem(_("Choose a view"), "")
        for name, label in viewLabels().items():
            ui.carmViewComboBox.addItem(label, name)
        ui.carmViewComboBox.connect("activated(int)", self._onViewChosen)
        ui.carmFromCameraButton.connect("clicked()", lambda: self.takeCamera())
        ui.carmBeamButton.connect("clicked()", lambda: self.lookAlongBeam())
        ui.carmCollapsibleButton.connect("contentsCollapsed(bool)", self._onCollapsed)
        ui.carmLowSpinBox.connect("valueChanged(double)", self._onWindowTyped)
        ui.carmHighSpinBox.connect("valueChanged(double)", self._onWindowTyped)
        ui.carmFitButton.connect("clicked()", lambda: self.fitWindow())
        ui.carmSaveButton.connect("clicked()", lambda: self.save())
        ui.carmHandlesCheckBox.connect("toggled(bool)", self._onHandlesToggled)
        ui.carmRemoveButton.connect("clicked()", lambda: self.remove())
        session.cArm.drawn.connect(self._onDrawn)
        session.cArm.message.connect(lambda text: say(ui.carmStatusLabel, text, ERROR_STYLE))

    @property
    def open(self):
        """Whether the section is unfolded: while it is not, nothing is drawn."""
        return not self.ui.carmCollapsibleButton.collapsed

    def node(self):
        """The C-arm in the scene, or None."""
        return self._session.cArm.node if self._possible() else None

    def update(self):
        """Say what cannot be, enable what can be done, and draw what has changed."""
        parameters = self._parameters()
        fields = read_pack(CArmFields, parameters.carm)
        problem = carm_problem(fields)
        if parameters.ctVolume is None:
            problem = _("Choose a CT above.")
        say(self.ui.carmProblemLabel, problem, ERROR_STYLE)
        self._showWords(fields)
        if self.open and not problem:
            self._draw(parameters, fields)
        self._enable(problem)

    def forget(self):
        """Nothing is drawn: the scene was closed, or another parameter node is shown."""
        self.removeObservers()
        self._asked = self._observed = None
        self.ui.carmMarkupsTableView.setMRMLTableNode(None)
        self.ui.carmMarkupsTableView.setVisible(False)

    def drawAgain(self):
        """The C-arm is to be seen though nothing of it has changed."""
        self._asked = None
        self.update()

    def takeCamera(self):
        """Put the beam along the 3D view's line of sight."""
        with reported(self.ui.carmStatusLabel):
            import torch

            from SphericalRegLib.geometry.carm_setting import looking
            from SphericalRegLib.scene.drr_carm import ct_center

            camera, parameters = cameraNode(), self._parameters()
            if camera is None:
                say(self.ui.carmStatusLabel, _("There is no 3D view."), ERROR_STYLE)
                return
            position, focus, up = (
                torch.tensor(numbers, dtype=torch.float64)
                for numbers in (camera.GetPosition(), camera.GetFocalPoint(), camera.GetViewUp())
            )
            setting = read_pack(CArmFields, parameters.carm).setting()
            self._take(looking(setting, position, focus, up, ct_center(parameters.ctVolume)))

    def lookAlongBeam(self):
        """Look from the source in the 3D view."""
        with reported(self.ui.carmStatusLabel):
            from SphericalRegLib.scene.camera import look_along_beam

            if cameraNode() is None:
                say(self.ui.carmStatusLabel, _("There is no 3D view."), ERROR_STYLE)
                return
            look_along_beam(cameraNode(), self.node())

    def fitWindow(self):
        """Show all gray values that the CT casts."""
        with reported(self.ui.carmStatusLabel):
            from SphericalRegLib.scene.drr_carm import fit_window

            fit_window(self.node())

    def save(self):
        """Ask for a file and write the picture."""
        kinds = ";;".join(("PNG (*.png)", _("NRRD, line integrals (*.nrrd)"), "DICOM (*.dcm)"))
        path = qt.QFileDialog.getSaveFileName(slicer.util.mainWindow(), _("Save the DRR"), "drr.png", kinds)
        if path:
            self.saveAs(path)

    def saveAs(self, path):
        """Write the picture as the file's ending says."""
        with reported(self.ui.carmStatusLabel), slicer.util.WaitCursor():
            from SphericalRegLib.scene.drr_carm import save

            beside = save(self.node(), path)
            say(self.ui.carmStatusLabel, _("Written: {path} and {beside}").format(path=path, beside=beside.name))

    def remove(self):
        """Take the C-arm out of the scene, and fold the section: open, it would be drawn again."""
        node = self.node()
        self._session.cArm.cancel()
        self.ui.carmCollapsibleButton.collapsed = True
        with reported(self.ui.carmStatusLabel):
            if node is not None:
                from SphericalRegLib.scene.carm import remove_carm

                remove_carm(node)
        self.forget()
        self.update()

    def _possible(self):
        """Whether the packages are there without which nothing is drawn."""
        # looked for until they are there, not again with each change
        self._complete = self._complete or not missing_packages(["torch", "numba", "SimpleITK"])
        return self._complete

    def _draw(self, parameters, fields):
        if not self._possible():
            say(self.ui.carmStatusLabel, _("Packages are missing: see the top of this panel."), ERROR_STYLE)
            return
        nodes = (parameters.ctVolume, parameters.segmentation, parameters.carmMarkups)
        asked = (
            fields,
            *(None if node is None else node.GetID() for node in nodes),
            tuple(parameters.segments),
            parameters.device,
            parameters.carmBoneOnly,
            parameters.carmGamma,
            parameters.carmInverted,
        )
        if asked != self._asked:
            self._asked = asked
            self._session.drawCArm(parameters)

    def _showWords(self, fields):
        """The sides of the angles beside their numbers, and the view's name where it has one."""
        ui = self.ui
        for slider, word in (
            (ui.carmPrimarySlider, primary_word(fields.primary_angle)),
            (ui.carmSecondarySlider, secondary_word(fields.secondary_angle)),
        ):
            suffix = f"° {word}" if word else "°"
            if slider.suffix != suffix:
                slider.suffix = suffix
        name = view_name(fields.primary_angle, fields.secondary_angle)
        ui.carmViewComboBox.setCurrentIndex(0 if name is None else 1 + list(NAMED_VIEWS).index(name))

    def _enable(self, problem):
        node, ui = self.node(), self.ui
        for widget in (
            ui.carmBeamButton,
            ui.carmSaveButton,
            ui.carmHandlesCheckBox,
            ui.carmRemoveButton,
            ui.carmFitButton,
            ui.carmLowSpinBox,
            ui.carmHighSpinBox,
        ):
            widget.enabled = node is not None
        ui.carmFromCameraButton.enabled = ui.carmViewComboBox.enabled = self._parameters().ctVolume is not None
        self._observe(node)

    def _observe(self, node):
        """Follow the C-arm that is moved by its handles, and the window that the mouse changes."""
        display = None
        if node is not None:
            from SphericalRegLib.scene.drr_carm import drr_node

            drr = drr_node(node)
            display = None if drr is None else drr.GetDisplayNode()
        observed = (node, display)
        if observed == self._observed:
            return
        self.removeObservers()
        self._observed = observed
        if node is not None:
            self.addObserver(node, slicer.vtkMRMLTransformNode.TransformModifiedEvent, self._onMoved)
        if display is not None:
            self.addObserver(display, vtk.vtkCommand.ModifiedEvent, self._showWindow)
            self._showWindow()

    def _onDrawn(self, node, whole):
        if self._parameters() is None:
            return
        self._enable("")
        with reported(self.ui.carmStatusLabel):
            from SphericalRegLib.scene.nodes import reference

            table = reference(node, "ProjectionTable.0")
            if self.ui.carmMarkupsTableView.mrmlTableNode() is not table:
                self.ui.carmMarkupsTableView.setMRMLTableNode(table)
                self.ui.carmMarkupsTableView.setVisible(table is not None)

    def _onMoved(self, caller, event):
        """Handles or another module moved the C-arm: its numbers follow."""
        if self._session.cArm.moving or self._parameters() is None:
            return
        with reported(self.ui.carmStatusLabel):
            from SphericalRegLib.scene.drr_carm import get_setting

            self._take(get_setting(caller))

    def _take(self, setting):
        """Show another setting's numbers, and draw it."""
        parameters = self._parameters()
        with slicer.util.NodeModify(parameters):
            write_pack(parameters.carm, carm_fields(setting))

    def _onViewChosen(self, index):
        name, parameters = self.ui.carmViewComboBox.itemData(index), self._parameters()
        if name and parameters is not None:
            with reported(self.ui.carmStatusLabel):
                self._take(read_pack(CArmFields, parameters.carm).setting().seen_from(name))

    def _onCollapsed(self, collapsed):
        if self._parameters() is not None and not collapsed:
            self.drawAgain()

    def _onHandlesToggled(self, shown):
        node = self.node()
        if node is not None:
            node.CreateDefaultDisplayNodes()
            node.GetDisplayNode().SetEditorVisibility(shown)

    def _showWindow(self, caller=None, event=None):
        """The window in its fields, whoever set it."""
        with reported(self.ui.carmStatusLabel):
            from SphericalRegLib.scene.drr_carm import tone

            shown = tone(self._observed[0])
            for box, value in ((self.ui.carmLowSpinBox, shown.low), (self.ui.carmHighSpinBox, shown.high)):
                if not math.isclose(box.value, value, abs_tol=0.5 * 10.0**-box.decimals):
                    blocked = box.blockSignals(True)
                    box.value = value
                    box.blockSignals(blocked)

    def _onWindowTyped(self, value):
        node = self.node()
        if node is None:
            return
        with reported(self.ui.carmStatusLabel):
            from SphericalRegLib.scene.drr_carm import set_window

            set_window(node, self.ui.carmLowSpinBox.value, self.ui.carmHighSpinBox.value)
