"""Section Register: the method, the pose by hand, Register and Cancel, progress."""

import slicer
from slicer.i18n import tr as _
from slicer.util import VTKObservationMixin

from SphericalRegLib.app import Progressed, Signal, StateChanged
from SphericalRegLib.app.control.state import State
from SphericalRegLib.app.packages import missing_packages
from SphericalRegLib.scene.session.input_checks import LEAST_PAIRS, pair_counts
from SphericalRegUI.Choices import Method, Similarity
from SphericalRegUI.Feedback import ERROR_STYLE, followRun, reported, say


class RegisterSection(VTKObservationMixin):
    """
    :param ui: the panel's widgets by name.
    :param parameters: returns the parameter node's wrapper, or None while there is none.
    :param session: what registers.
    :param ensurePackages: installs what is missing; whether all is there then.
    :param shown: returns the pose node of the C-arm in the views, or None.
    """

    def __init__(self, ui, parameters, session, ensurePackages, shown):
        VTKObservationMixin.__init__(self)
        self.ui = ui
        self._parameters = parameters
        self._session = session
        self._ensurePackages = ensurePackages
        self._shown = shown
        self._observed = None
        self._hinted = False
        self._inputs = None
        self._complete = False
        self.placed = Signal("a placed C-arm")
        ui.registerButton.connect("clicked()", lambda: self.register())
        ui.cancelButton.connect("clicked()", lambda: session.registration.cancel())
        ui.placeButton.connect("clicked()", lambda: self.placeCArm())
        session.registration.events.connect(self._onEvent)
        session.registrationMessage.connect(lambda text: say(ui.registerStatusLabel, text, ERROR_STYLE))

    def update(self, missing, missingOfMethod=()):
        """Enable what can be done.

        :param missing: what the inputs lack, in words.
        :param missingOfMethod: what only the registration lacks.
        """
        parameters = self._parameters()
        say(self.ui.methodLabel, parameters.method.hint())
        lacksInputs = bool(missing)
        missing = [*missing, *missingOfMethod, *self._missingOfMethod(parameters)]
        busy = self._session.registration.state.busy
        self.ui.registerButton.enabled = not missing and not busy
        self.ui.registerButton.toolTip = "\n".join(missing) if missing else _("Find the pose of the C-arm.")
        self.ui.placeButton.enabled = not busy and not lacksInputs
        label = self.ui.registerStatusLabel
        self._forgetNews(parameters, busy)
        if missing and not busy and (self._hinted or not label.text):
            self._hinted = True
            say(label, _("To register: {what}").format(what=missing[0]))
        elif self._hinted:
            self._hinted = False
            say(label, "")
        self._observePose(parameters.currentPose)

    def _forgetNews(self, parameters, busy):
        """What was said of other inputs is not true of these."""
        chosen = (parameters.ctVolume, parameters.xray1Volume, parameters.xray2Volume)
        inputs = tuple(None if node is None else node.GetID() for node in chosen)
        if self._inputs is not None and inputs != self._inputs and not busy:
            say(self.ui.registerStatusLabel, "")
        self._inputs = inputs

    def _missingOfMethod(self, parameters):
        if parameters.method is Method.CURRENT_POSE and parameters.currentPose is None:
            return [_("Choose the current pose, or place a C-arm.")]
        if parameters.method is Method.LANDMARKS and parameters.ctLandmarks is None:
            return [_("Choose the landmarks in the CT, under Inputs.")]
        if parameters.similarity is Similarity.LEARNED_FIRST and not parameters.modelFile:
            return [_("Choose a model, or another similarity under Advanced.")]
        if parameters.method is Method.LANDMARKS and max(self._pairCounts(parameters), default=0) < LEAST_PAIRS:
            return [
                _(
                    "Place at least {count} landmarks of the same names in the CT and in one X-ray, under Inputs."
                ).format(count=LEAST_PAIRS)
            ]
        return []

    def _pairCounts(self, parameters):
        xrays = (
            (parameters.xray1Volume, parameters.xray1Landmarks),
            (parameters.xray2Volume, parameters.xray2Landmarks),
        )
        return pair_counts(parameters.ctLandmarks, xrays)

    def register(self):
        """Begin, once the packages are there."""
        label = self.ui.registerStatusLabel
        if not self._ensurePackages():
            say(label, _("Packages are missing, so nothing can be registered: see the top of this panel."), ERROR_STYLE)
            return
        say(label, "")
        with reported(label):
            self._session.register(self._parameters(), _("Registration"))

    def placeCArm(self):
        """Put a C-arm at the chosen view into the scene."""
        label = self.ui.registerStatusLabel
        if not self._ensurePackages():
            return
        say(label, "")
        with reported(label), slicer.util.WaitCursor():
            parameters = self._parameters()
            former = parameters.currentPose
            node = self._session.placeCArm(parameters, _("C-arm"), self._shown())
            # what is placed by hand is where the search is to begin
            parameters.method = Method.CURRENT_POSE
            if former is not None and former.GetDisplayNode() is not None:
                # one set of handles, that of the pose which is dragged
                former.GetDisplayNode().SetEditorVisibility(False)
            node.CreateDefaultDisplayNodes()
            node.GetDisplayNode().SetEditorVisibility(True)
            say(label, _("Drag the handles of '{name}' in the 3D view.").format(name=node.GetName()))
            self.placed.emit(node)

    def stopObserving(self):
        """Forget the pose that was watched."""
        self.removeObservers()
        self._observed = None

    def _observePose(self, node):
        if node is self._observed:
            return
        self.stopObserving()
        self._observed = node
        if node is not None:
            self.addObserver(node, slicer.vtkMRMLTransformNode.TransformModifiedEvent, self._onPoseMoved)

    def _onPoseMoved(self, caller, event):
        parameters = self._parameters()
        # looked for until they are there, not again with each movement
        self._complete = self._complete or not missing_packages(["torch", "numba"])
        if parameters is not None and self._complete:
            with reported(self.ui.registerStatusLabel):
                self._session.poseMoved(parameters, caller)

    def _onEvent(self, event):
        label, bar = self.ui.registerStatusLabel, self.ui.registerProgressBar
        if isinstance(event, Progressed):
            step = event.step
            bar.setRange(0, step.levels)
            bar.setValue(step.level + 1)
            say(
                label,
                _("{stage} pixels, iteration {iteration}: cost {cost}").format(
                    stage=step.stage, iteration=step.iteration, cost=f"{step.cost:.3f}"
                ),
            )
        followRun(event, label, bar, self.ui.registerButton, self.ui.cancelButton)
        if isinstance(event, StateChanged):
            if event.after is State.PREPARING:
                say(label, _("Preparing …"))
            elif event.after is State.CANCELLING:
                say(label, _("Cancelling …"))
