"""What the panel sets going, and what becomes of it in the parameter node. No Qt.

The work is the library's (``SphericalRegLib.scene.session``); the schedulers are injected, so that all of this runs in
a test without an event loop.
"""

import logging

from SphericalRegLib.app import Signal
from SphericalRegLib.app.control.latest_wins import LatestWins
from SphericalRegLib.app.panel.packs import read_pack
from SphericalRegLib.app.panel.snapshot import LandscapeChoices, Snapshot
from SphericalRegLib.scene.session import CArmView, ConvertedCT, LandscapeRun, LiveView, RegistrationRun, TrainingRun
from SphericalRegLib.scene.session.removal import is_carm, is_drr_carm, remove_rest_of_carm, remove_rest_of_landscape


class Session:
    """Runs of what the parameter node holds.

    :param scene: the MRML scene.
    :param schedule: calls a function later, soon.
    :param scheduleSlowly: calls a function later, after a pause; for jobs that wait for another process.
    :param sliceSeconds: a run takes so long before the application handles its events: not noticed, and most of the
        time is the run's.
    :param pictureSeconds: between two pictures of a run.

    ``cArm`` draws the C-arm that is moved by its numbers.

    Signals: ``drawn`` with the pose node of a C-arm whose DRRs were drawn; ``registrationMessage`` and
    ``landscapeMessage`` with what to tell the user; ``cArmRemoved``; ``costKnown`` with a C-arm and what its pose
    costs. Runs have their own, in ``registration``, ``survey`` and ``training``.
    """

    def __init__(self, scene, schedule, scheduleSlowly, sliceSeconds=0.1, pictureSeconds=0.3):
        self.scene = scene
        self._schedule = schedule
        self._convertedCT = ConvertedCT()
        self._live = LiveView(scene, schedule)
        self.cArm = CArmView(scene, schedule, scheduleSlowly, self._convertedCT)
        self._registrationRun = RegistrationRun(
            scene, schedule, sliceSeconds, self._convertedCT, self._live, pictureSeconds
        )
        self._landscapeRun = LandscapeRun(scene, schedule, sliceSeconds, self._convertedCT)
        self._trainingRun = TrainingRun(scheduleSlowly)
        self.registration = self._registrationRun.controller
        self.survey = self._landscapeRun.controller
        self.training = self._trainingRun.controller
        self.drawn = self._live.drawn
        self.registrationMessage = Signal("a message about a registration")
        self.landscapeMessage = self._landscapeRun.message
        self.cArmRemoved = Signal("a removed C-arm")
        self.costKnown = Signal("what a pose costs")
        self._costs = LatestWins(scheduleSlowly, self._tellCost, lambda error: logging.exception("SphericalReg"))
        self._poseCost = None
        for one in (self._registrationRun, self._live):
            one.message.connect(self.registrationMessage.emit)
        self._registrationRun.kept.connect(self._keepResult)
        self._landscapeRun.kept.connect(self._keepLandscape)
        # the parameter nodes that runs began with: another may be shown by their end
        self._registering = self._surveying = None

    @property
    def busy(self):
        """Whether any run is under way."""
        return any(one.state.busy for one in (self.registration, self.survey, self.training))

    @property
    def preview(self):
        """The C-arm that moves while a registration runs, or None."""
        return self._registrationRun.preview

    def register(self, parameters, name):
        """Begin a registration of what the parameter node holds; the new result will have that name.

        :returns: the run's number.
        """
        number = self._registrationRun.start(Snapshot.of(parameters), name)
        self._registering = parameters
        return number

    def _keepResult(self, node):
        self._registering.currentResult = node

    def computeLandscape(self, parameters, name):
        """Begin a landscape about the current result, or else the current pose; returns the run's number."""
        middle = parameters.currentResult or parameters.currentPose
        number = self._landscapeRun.start(Snapshot.of(parameters), LandscapeChoices.of(parameters), middle, name)
        self._surveying = parameters
        return number

    def _keepLandscape(self, table):
        self._surveying.currentLandscape = table

    def train(self, parameters, folder, python, startFrom=None):
        """Begin a training for the chosen CT in a process of its own.

        :param folder: where the model goes.
        :param python: the interpreter.
        :param startFrom: the model to fine-tune, or None.
        :returns: the run's number.
        """
        return self._trainingRun.start(Snapshot.of(parameters), folder, python, startFrom)

    # The C-arm by its numbers

    def drawCArm(self, parameters):
        """Draw the chosen CT's DRR at the C-arm's numbers, soon."""
        from SphericalRegLib.app.panel.carm_fields import CArmFields
        from SphericalRegLib.scene.session.carm_view import CArmLook

        look = CArmLook(
            read_pack(CArmFields, parameters.carm).setting(),
            parameters.carmBoneOnly,
            parameters.carmGamma,
            parameters.carmInverted,
            parameters.carmMarkups,
        )
        self.cArm.ask(Snapshot.of(parameters), look)

    # The pose by hand

    def placeCArm(self, parameters, name, beside=None):
        """Put a C-arm into the scene and make it the current pose; returns its node.

        :param beside: the pose node of a C-arm that is shown, whose pose is taken; without one it is the chosen view's.
        """
        from SphericalRegLib.scene.carm import add_carm
        from SphericalRegLib.scene.session.inputs import view_pose, xrays_of

        snapshot = Snapshot.of(parameters)
        volume, xrays = self._convertedCT.chosen(snapshot).volume, xrays_of(snapshot)
        if beside is None:
            pose = view_pose(snapshot, volume, xrays)
        else:
            from SphericalRegLib.scene.poses import pose_from_transform

            pose = pose_from_transform(beside)
        node = add_carm(self.scene, xrays, pose, name, ct_node=snapshot.ct_volume, xray_nodes=snapshot.xray_volumes)
        parameters.currentPose = node
        self.draw(parameters, node)
        return node

    def poseMoved(self, parameters, node):
        """A pose was dragged: render its DRR soon, unless something runs or it is no C-arm with a CT."""
        if parameters.liveRendering:
            self.draw(parameters, node)

    def draw(self, parameters, node):
        """Render a C-arm's DRR soon, unless something runs or it is no C-arm with a CT."""
        if self.registration.state.busy or not is_carm(node) or is_drr_carm(node):
            return
        from SphericalRegLib.scene.carm import carm_nodes, views

        snapshot = Snapshot.of(parameters)
        ct = carm_nodes(node).ct
        # the DRR of a C-arm is that of its own CT; another one may be chosen by now
        if ct is not None and snapshot.ct_volume is not None and ct.GetID() == snapshot.ct_volume.GetID():
            self._live.draw(node, self._convertedCT.chosen(snapshot).volume, views(node))

    def overlayChosen(self, parameters, node):
        """Another overlay is about to be shown: edges need the bones' DRR at the pose where the C-arm is now."""
        if self._live.show_edges(parameters.overlayMode.value == "edges", node):
            self.poseMoved(parameters, node)

    def askCost(self, parameters, node):
        """What a C-arm's pose costs, when it rests: told by ``costKnown``; of one without X-ray or CT nothing is."""
        if not is_drr_carm(node):
            self._costs.ask((Snapshot.of(parameters), node))

    def _tellCost(self, request):
        from SphericalRegLib.app.panel.methods import system_for
        from SphericalRegLib.app.panel.pose_cost import PoseCost
        from SphericalRegLib.scene.carm import carm_nodes
        from SphericalRegLib.scene.poses import pose_from_transform
        from SphericalRegLib.scene.readout import xrays_at

        snapshot, node = request
        if self.registration.state.busy or not self.scene.IsNodePresent(node):
            return
        found = carm_nodes(node)
        chosen = snapshot.ct_volume
        if None in found.images or found.ct is None or chosen is None or chosen.GetID() != found.ct.GetID():
            return
        volume = self._convertedCT.chosen(snapshot).volume
        key = (node.GetID(), volume, snapshot.method, snapshot.advanced)
        if self._poseCost is None or self._poseCost[0] != key:
            system = system_for(snapshot.method, bool(snapshot.segments), False, snapshot.advanced)
            self._poseCost = key, PoseCost(volume, xrays_at(node), system.judge.look)
        self.costKnown.emit(node, self._poseCost[1].of(pose_from_transform(node)))

    # Results and nodes

    def writeReport(self, node, folder, device="auto"):
        """Write result.json, pose.tfm, pictures and report.html of a result; DRRs are drawn anew from its CT."""
        from SphericalRegLib.scene.session.report import write_report

        write_report(node, folder, self._convertedCT, device)

    def removeResult(self, node):
        """Remove a result with everything that belongs to it."""
        from SphericalRegLib.scene.carm import remove_carm

        remove_carm(node)

    def nodeRemoved(self, node):
        """A node leaves the scene: what works on it is stopped. Returns in words what was stopped, or None."""
        stopped = [run.node_removed(node) for run in (self._landscapeRun, self._registrationRun)]
        remove_rest_of_carm(node, self._schedule, self.cArmRemoved.emit)
        remove_rest_of_landscape(node, self._schedule)
        return next((name for name in stopped if name is not None), None)

    def sceneCloses(self):
        """The scene is about to be closed: stop what works on it, at once, and keep nothing of it."""
        for one in (self._live, self.cArm, self._registrationRun, self._landscapeRun, self._convertedCT):
            one.forget()
        self._costs.cancel()
        self._poseCost = None

    def close(self):
        """The panel goes: stop everything, child processes too."""
        self._registrationRun.close()
        self.sceneCloses()
        self.training.abandon()
