"""Section Model: which trained model, what it is for, its training, and what computes."""

import pathlib
import shutil
import sys

import slicer
from slicer.i18n import tr as _

from SphericalRegLib.app.panel.made_for import MadeFor
from SphericalRegUI import Samples
from SphericalRegUI.Curve import Curve
from SphericalRegUI.Feedback import ERROR_STYLE, onPathTyped, reported, say, showPath


class ModelSection:
    """
    :param ui: the panel's widgets by name.
    :param parameters: returns the parameter node's wrapper, or None while there is none.
    :param session: what trains.
    :param ensurePackages: installs what is missing; whether all is there then.
    """

    def __init__(self, ui, parameters, session, ensurePackages):
        self.ui = ui
        self._ensurePackages = ensurePackages
        self._curve = Curve(ui.trainingCurveLabel)
        self._parameters = parameters
        self._session = session
        self._cards = []
        self._unusable = []
        self._chosen = None
        self._problem = ""
        self._madeFor = MadeFor()
        self._note = ""
        self._listed = None
        self._folder = None
        onPathTyped(ui.modelFolderPathLineEdit, self._onFolderChosen)
        ui.modelComboBox.connect("currentIndexChanged(int)", self._onModelChosen)
        # the same one once more as well
        ui.modelComboBox.connect("activated(int)", self._onModelChosen)
        ui.deviceComboBox.connect("currentIndexChanged(int)", self._onDeviceChosen)
        ui.trainButton.connect("clicked()", lambda: self.train(None))
        ui.fineTuneButton.connect("clicked()", lambda: self.train(self._parameters().modelFile))
        ui.cancelTrainingButton.connect("clicked()", lambda: session.training.cancel())
        session.training.events.connect(self._onTrainingEvent)

    def update(self):
        """List models and devices, and say what can be done with them; returns why the chosen model cannot be used."""
        self._letGo()
        self._listModels()
        self._listDevices()
        self._enable()
        return [self._problem] if self._problem else []

    def refresh(self):
        """Look into the folder again: files may have come."""
        self._madeFor.forget()
        self._folder = self._listed = None

    def _letGo(self):
        """A model for one CT is not chosen any more where that is another one."""
        parameters = self._parameters()
        ct = None if parameters.ctVolume is None else parameters.ctVolume.GetID()
        if not self._madeFor.lost(parameters.modelFile or None, [ct]):
            if parameters.modelFile:
                self._note = ""
            return
        if self._chosen is not None and self._chosen.one_ct:
            self._note = _("{name} is for another CT: no model is chosen now.").format(name=self._chosen.name)
            parameters.modelFile = ""

    def _listModels(self):
        from SphericalRegLib.app.models import find_models

        parameters = self._parameters()
        folder = parameters.modelFolder
        showPath(self.ui.modelFolderPathLineEdit, folder)
        if folder != self._folder:
            self._folder = folder
            self._cards, self._unusable = find_models([folder] if folder else [])
        chosen = pathlib.Path(parameters.modelFile) if parameters.modelFile else None
        state = (folder, parameters.modelFile, chosen is not None and chosen.is_file())
        if state == self._listed:
            return
        self._listed = state
        self._examine(chosen)
        box = self.ui.modelComboBox
        blocked = box.blockSignals(True)
        box.clear()
        box.addItem(_("No model"), "")
        for card in self._cards:
            box.addItem(card.name, str(card.path))
        if chosen is not None and box.findData(parameters.modelFile) < 0:
            # what is used is shown, wherever it lies
            if self._chosen is not None:
                words = _("{name} (in another folder)").format(name=self._chosen.name)
            elif chosen.is_file():
                words = _("{name} (no model)").format(name=chosen.name)
            else:
                words = _("{name} (missing)").format(name=chosen.name)
            box.addItem(words, parameters.modelFile)
        box.setCurrentIndex(max(0, box.findData(parameters.modelFile)))
        box.blockSignals(blocked)
        self._describe()

    def _describe(self):
        if self._chosen is not None:
            words = self._chosen.text
        else:
            words = self._problem or self._note or _("No model is chosen: registration works without one.")
        for problem in self._unusable:
            if problem != self._problem:
                words += "\n" + problem
        say(self.ui.modelLabel, words, ERROR_STYLE if self._problem else "")

    def _examine(self, path):
        """What the chosen file says of itself, or why it cannot be used; its header alone is read."""
        from SphericalRegLib.app.models import read_model_file
        from SphericalRegLib.errors import CheckpointError

        self._chosen, self._problem = None, ""
        if path is None:
            return
        if not path.is_file():
            self._problem = _("There is no model {path}: choose another one, or none.").format(path=path)
            return
        try:
            self._chosen = read_model_file(path)
        except CheckpointError as error:
            self._problem = str(error)

    def _listDevices(self):
        """Devices are known once torch is imported; it is not imported for this list alone."""
        box, parameters = self.ui.deviceComboBox, self._parameters()
        found = {"auto": _("Automatic")}
        if "torch" in sys.modules:
            from SphericalRegLib.app.device import available_devices

            found |= {name: f"{name}: {words}" for name, words in available_devices().items()}
            say(self.ui.deviceLabel, "")
        else:
            found[parameters.device] = found.get(parameters.device, parameters.device)
            say(self.ui.deviceLabel, _("Devices are listed after the first registration."))
        if [box.itemData(index) for index in range(box.count)] == list(found):
            return
        blocked = box.blockSignals(True)
        box.clear()
        for name, words in found.items():
            box.addItem(words, name)
        box.setCurrentIndex(max(0, box.findData(parameters.device)))
        box.blockSignals(blocked)

    def _enable(self):
        parameters, running = self._parameters(), self._session.training.state.busy
        can = not running and parameters.ctVolume is not None
        self.ui.trainButton.enabled = can
        self.ui.fineTuneButton.enabled = can and self._chosen is not None
        self.ui.cancelTrainingButton.enabled = running

    def _onFolderChosen(self, path):
        parameters = self._parameters()
        if parameters is not None and parameters.modelFolder != path:
            parameters.modelFolder = path

    def _onModelChosen(self, index):
        path = self.ui.modelComboBox.itemData(index) or ""
        parameters = self._parameters()
        if parameters is not None and parameters.modelFile != path:
            parameters.modelFile = path

    def _onDeviceChosen(self, index):
        if self._parameters() is not None:
            self._parameters().device = self.ui.deviceComboBox.itemData(index) or "auto"

    def train(self, startFrom):
        """Train for the chosen CT in a process of its own; ``startFrom`` is the model to fine-tune, or None."""
        if not self._ensurePackages():
            return
        self._curve.clear()
        with reported(self.ui.trainingLabel):
            from SphericalRegLib.errors import InputError

            parameters = self._parameters()
            if not parameters.modelFolder:
                raise InputError(_("Choose a folder for the model first."))
            folder = pathlib.Path(parameters.modelFolder)
            if folder == Samples.modelPath().parent:
                raise InputError(_("This folder is the extension's own: choose another one for the model."))
            python = shutil.which("PythonSlicer") or sys.executable
            with slicer.util.WaitCursor():
                self._session.train(parameters, folder, python, startFrom or None)

    def _onTrainingEvent(self, event):
        from SphericalRegLib.app import Cancelled, Failed, Finished, Progressed, StateChanged

        bar, label = self.ui.trainingProgressBar, self.ui.trainingLabel
        if isinstance(event, Progressed):
            self._showProgress(event.step)
        elif isinstance(event, Finished):
            say(label, _("The model is trained: choose it above."))
            self.refresh()
        elif isinstance(event, Cancelled):
            say(label, _("Training was cancelled. Train again to go on from its last checkpoint."))
        elif isinstance(event, Failed):
            say(label, event.failure.text, ERROR_STYLE)
        elif isinstance(event, StateChanged):
            bar.setVisible(event.after.busy)
            if not event.before.busy:
                # until the first news
                bar.setRange(0, 0)
                say(label, _("Preparing …"))
            if self._parameters() is not None:
                self.update()

    def _showProgress(self, lines):
        from SphericalRegLib.app.models import training_news

        news = training_news(lines)
        if news.done is not None:
            self.ui.trainingProgressBar.setRange(0, 1000)
            self.ui.trainingProgressBar.setValue(int(1000 * news.done))
        if news.losses:
            self._curve.add(news.losses)
        if news.text:
            say(self.ui.trainingLabel, news.text)
