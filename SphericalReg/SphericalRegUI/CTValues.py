"""What a CT's voxels are where they are no Hounsfield units: said beside the CT, and kept with it."""

from slicer.i18n import tr as _

from SphericalRegLib.app.packages import missing_packages
from SphericalRegUI.Feedback import reported

# (slope, intercept) of a choice; None for what is typed.
_PLUS_1024 = (1.0, -1024.0)
_AS_THEY_ARE = (1.0, 0.0)


class CTValues:
    """
    :param ui: the panel's widgets by name.
    :param parameters: returns the parameter node's wrapper, or None while there is none.
    :param refresh: brings the whole panel up to date.
    """

    def __init__(self, ui, parameters, refresh):
        self.ui = ui
        self._parameters = parameters
        self._refresh = refresh
        self._complete = False
        box = ui.ctValuesComboBox
        for words in (_("Hounsfield units (HU)"), _("HU + 1024"), _("Slope and intercept"), _("HU, without any air")):
            box.addItem(words)
        box.connect("activated(int)", self._onChosen)
        for spin in (ui.ctSlopeSpinBox, ui.ctInterceptSpinBox):
            spin.connect("valueChanged(double)", self._onTyped)

    def update(self):
        """Show what is said of the chosen CT, where that is needed; returns what is wrong, in words."""
        ct, ui = self._parameters().ctVolume, self.ui
        # looked for until they are there, not again with each change
        self._complete = self._complete or not missing_packages(["torch", "SimpleITK"])
        if ct is None or not self._complete:
            self._show(False)
            return ""
        from SphericalRegLib.scene.ct import looks_rescaled, rescale_of

        told, suspicious = rescale_of(ct), looks_rescaled(ct)
        self._show(suspicious or told is not None)
        index = {None: 0, _PLUS_1024: 1, _AS_THEY_ARE: 3}.get(told, 2)
        if ui.ctValuesComboBox.currentIndex != index:
            ui.ctValuesComboBox.setCurrentIndex(index)
        for spin, value in zip((ui.ctSlopeSpinBox, ui.ctInterceptSpinBox), told or _AS_THEY_ARE, strict=True):
            blocked = spin.blockSignals(True)
            spin.value = value
            spin.blockSignals(blocked)
            spin.setVisible(index == 2)
        if suspicious and told is None:
            return _("No value of this CT is below 0, while air is -1000 HU: choose what its values are.")
        return ""

    def _show(self, visible):
        self.ui.ctValuesLabel.setVisible(visible)
        self.ui.ctValuesFrame.setVisible(visible)

    def _onChosen(self, index):
        # slope and intercept begin where HU are; another number than these shows the fields
        self._set({0: None, 1: _PLUS_1024, 3: _AS_THEY_ARE}.get(index, (1.0, -1000.0)))

    def _onTyped(self, value):
        self._set((self.ui.ctSlopeSpinBox.value, self.ui.ctInterceptSpinBox.value))

    def _set(self, rescale):
        parameters = self._parameters()
        if parameters is None or parameters.ctVolume is None:
            return
        with reported(self.ui.ctProblemLabel):
            from SphericalRegLib.scene.ct import set_rescale

            set_rescale(parameters.ctVolume, rescale)
            self._refresh()
