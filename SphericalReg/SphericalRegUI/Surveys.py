"""Landscapes that the panel sets going. Scene and engine, but no Qt."""

from SphericalRegUI.Preparation import Snapshot

# The engine's similarities, and the parameters of the check boxes that choose them.
COMPARED = {
    "ncc": "surveyNCC",
    "gradient-ncc": "surveyGradientNCC",
    "local-ncc": "surveyLocalNCC",
    "tone-free": "surveyToneFree",
    "mutual-information": "surveyMutualInformation",
    "learned": "surveyLearned",
}


def comparedBy(parameters):
    """Names of the similarities that are checked."""
    return [name for name, field in COMPARED.items() if getattr(parameters, field)]


class Surveys:
    """Runs landscapes of what the parameter node holds and puts them into the scene.

    :param scene: the MRML scene.
    :param schedule: calls a function later, soon.
    :param preparation: converts the inputs.
    :param sliceSeconds: a run takes so long before the application handles its events.
    """

    def __init__(self, scene, schedule, preparation, sliceSeconds):
        from SphericalRegLib.app import Controller, Signal

        self.scene = scene
        self.preparation = preparation
        self.controller = Controller(schedule, sliceSeconds)
        self.message = Signal("a message")
        self._schedule = schedule
        self._surveyed = []
        self.controller.events.connect(self._onEvent)

    def nodeRemoved(self, node):
        """A node leaves the scene: a run that uses it is stopped. Returns the node's name if one was, or None."""
        self._removeBelongings(node)
        used = any(one is not None and one.GetID() == node.GetID() for one in self._surveyed)
        if not used or not self.controller.state.busy:
            return None
        self.controller.abandon()
        return node.GetName()

    def _removeBelongings(self, node):
        """Without its table a landscape cannot be chosen any more: surfaces and marks go too, a little later."""
        if not node.IsA("vtkMRMLTableNode") or node.GetAttribute("SphericalReg.Landscape") is None:
            return
        from SphericalRegLib.scene.landscape import belongings, remove_belongings

        left = belongings(node)
        self._schedule(lambda: remove_belongings(left))

    def forget(self):
        """Stop at once and keep nothing: the scene is closed."""
        self.controller.abandon()
        self._surveyed = []

    def compute(self, parameters, name):
        """Begin a landscape about the current result, or else the current pose."""
        snapshot = Snapshot(parameters)
        similarities = comparedBy(parameters)
        axes = [
            (parameters.firstParameter.value, parameters.firstExtent, parameters.firstSteps),
            (parameters.secondParameter.value, parameters.secondExtent, parameters.secondSteps),
        ]
        middle, size = parameters.currentResult or parameters.currentPose, parameters.landscapeSize

        def engine():
            from SphericalRegLib.app.landscape_job import LandscapeJob, axis
            from SphericalRegLib.errors import InputError

            if middle is None:
                raise InputError("There is no pose in the middle: register first, or choose a current pose.")
            _scan, volume = self.preparation.scanAndVolume(*snapshot.whatIsProjected)
            first, second = (axis(*one) for one in axes)
            return LandscapeJob(
                volume,
                self.preparation.xrays(snapshot),
                self.preparation.pose(middle),
                first,
                second,
                similarities,
                size,
                model=snapshot.modelFile or None,
                bones=bool(snapshot.segments),
            )

        run = self.controller.start(engine)
        self._surveyed, self._surveyParameters, self._surveyName = [middle, *snapshot.nodesInUse], parameters, name
        return run

    def _onEvent(self, event):
        from SphericalRegLib.app import Finished
        from SphericalRegLib.app.failure import failure_of

        if not isinstance(event, Finished):
            return
        try:
            self._keep(event.result)
        except Exception as error:
            text = failure_of(error).text
            self._schedule(lambda: self.message.emit(text))
            raise

    def _keep(self, found):
        from SphericalRegLib.app.landscape_job import display_axis
        from SphericalRegLib.scene.landscape import Axis, add_landscape

        x, y = (Axis(*display_axis(one)) for one in (found.first, found.second))
        # rows of the surface are y
        values = {name: grid.T for name, grid in zip(found.names, found.values, strict=True)}
        self._surveyParameters.currentLandscape = add_landscape(
            self.scene, x, y, values, self._surveyName, current=(0.0, 0.0), origin=self._besidePatient()
        )

    def _besidePatient(self):
        """Where a landscape is drawn, world mm: off the CT and its C-arms, so that it hides nothing."""
        ct = self._surveyed[1] if len(self._surveyed) > 1 else None
        bounds = [0.0] * 6
        if ct is not None:
            ct.GetRASBounds(bounds)
        return [bounds[0] - 600.0, (bounds[2] + bounds[3]) / 2, (bounds[4] + bounds[5]) / 2]
