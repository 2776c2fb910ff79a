"""What the panel sets going: registrations, live DRRs, landscapes, training. Scene and engine, but no Qt.

The scheduler is injected, so that all of this runs in a test without an event loop.
"""

from SphericalRegUI.Preparation import Preparation, Snapshot
from SphericalRegUI.Surveys import Surveys


class Session:
    """Runs jobs on what the parameter node holds and puts their results into the scene.

    :param scene: the MRML scene.
    :param schedule: calls a function later, soon.
    :param scheduleSlowly: calls a function later, after a pause; for jobs that wait for another process.
    :param sliceSeconds: a run takes so long before the application handles its events: not noticed, and most of the
        time is the run's.
    """

    def __init__(self, scene, schedule, scheduleSlowly, sliceSeconds=0.1):
        from SphericalRegLib.app import Controller, LatestWins, Signal

        self.scene = scene
        self._schedule = schedule
        # with the pose node of the C-arm whose DRRs were drawn
        self.drawn = Signal("a drawn DRR")
        # with what to tell the user
        self.message = Signal("a message")
        self.cArmRemoved = Signal("a removed C-arm")
        self.registration = Controller(schedule, sliceSeconds)
        self.training = Controller(scheduleSlowly)
        self.preparation = Preparation()
        self.surveys = Surveys(scene, schedule, self.preparation, sliceSeconds)
        self.survey = self.surveys.controller
        self._drawLatest = LatestWins(schedule, self._draw, self._onDrawFailed)
        self._snapshot = None
        self._preview = None
        self._live = None
        self._liveKey = None
        self._edgesShown = False
        self._staleBones = set()
        self._inputs = self._landmarks = None
        self.registration.events.connect(self._onRegistrationEvent)

    @property
    def busy(self):
        """Whether any run is under way."""
        return any(one.state.busy for one in (self.registration, self.survey, self.training))

    @property
    def preview(self):
        """The C-arm that moves while a registration runs, or None."""
        return self._preview

    # Registration

    def register(self, parameters, name):
        """Begin a registration of what the parameter node holds; the new result will have that name.

        The converted inputs are made within the run's first call, so the panel can say "preparing" before it blocks.
        """
        snapshot = Snapshot(parameters)

        def engine():
            from SphericalRegLib.app.registration_job import RegistrationJob

            self._landmarks = self.preparation.matchedLandmarks(snapshot)
            self._inputs = self.preparation.inputs(snapshot)
            return RegistrationJob(self._inputs)

        run = self.registration.start(engine)
        self._snapshot, self._name, self._parameters = snapshot, name, parameters
        return run

    def _onRegistrationEvent(self, event):
        from SphericalRegLib.app import Cancelled, Failed, Finished, Progressed
        from SphericalRegLib.app.failure import failure_of

        try:
            if isinstance(event, Progressed):
                self._showProgress(event.step)
            elif isinstance(event, Finished):
                self._keep(event.result)
            elif isinstance(event, Cancelled | Failed):
                self._dropPreview()
        except Exception as error:
            # later, for the panel clears its messages at a run's end
            text = failure_of(error).text
            self._schedule(lambda: self.message.emit(text))
            raise

    def _showProgress(self, step):
        """Move the C-arm of the run in the scene to the best pose so far, and its DRR with it."""
        from SphericalRegLib.scene.poses import set_pose

        if self._preview is None:
            self._preview = self._addCArm(step.pose)
        else:
            set_pose(self._preview, step.pose)
        self._prepareLive(self._inputs.case.volume, [one.view for one in self._inputs.case.xrays])
        self._drawLatest.ask(self._preview)

    def _addCArm(self, pose):
        from SphericalRegLib.scene.carm import add_carm

        return add_carm(
            self.scene,
            self._inputs.case.xrays,
            pose,
            self._name,
            ct_node=self._snapshot.ctVolume,
            xray_nodes=self._snapshot.xrayVolumes,
            segmentation=self._snapshot.segmentation,
            segments=self._snapshot.segments,
        )

    def _keep(self, registered):
        """Make the run's C-arm the bearer of its result."""
        from SphericalRegLib.scene.carm import remove_carm, set_drr
        from SphericalRegLib.scene.results import record_result

        self._drawLatest.cancel()
        node, self._preview = self._preview or self._addCArm(registered.outcome.result.pose), None
        try:
            points, marked = self._landmarks
            record_result(
                node,
                registered.outcome,
                points=points or None,
                marked=marked,
                truth=self._inputs.truth,
            )
            for index, (drr, bone) in enumerate(zip(registered.drrs, registered.bones, strict=True)):
                set_drr(node, index, drr, bone)
        except Exception:
            remove_carm(node)
            raise
        self._staleBones.discard(node.GetID())
        self._parameters.currentResult = node
        self.drawn.emit(node)

    def _dropPreview(self):
        from SphericalRegLib.scene.carm import remove_carm

        self._drawLatest.cancel()
        node, self._preview = self._preview, None
        if node is not None and self.scene.IsNodePresent(node):
            remove_carm(node)

    # The pose by hand

    def placeCArm(self, parameters, name):
        """Put a C-arm at the chosen view into the scene and make it the current pose; returns its node."""
        from SphericalRegLib.scene.carm import add_carm

        snapshot = Snapshot(parameters)
        _scan, volume = self.preparation.scanAndVolume(*snapshot.whatIsProjected)
        xrays = self.preparation.xrays(snapshot)
        pose = self.preparation.viewPose(snapshot, volume, xrays)
        node = add_carm(self.scene, xrays, pose, name, ct_node=snapshot.ctVolume, xray_nodes=snapshot.xrayVolumes)
        parameters.currentPose = node
        self.draw(parameters, node)
        return node

    def poseMoved(self, parameters, node):
        """A pose was dragged: render its DRR soon, unless something runs or it is no C-arm with a CT."""
        if parameters.liveRendering:
            self.draw(parameters, node)

    def draw(self, parameters, node):
        """Render a C-arm's DRR soon, unless something runs or it is no C-arm with a CT."""
        if node is None or self.registration.state.busy or not self._isCArm(node):
            return
        if self._prepareLiveOf(parameters, node):
            self._drawLatest.ask(node)

    def overlayChosen(self, parameters, node):
        """Another overlay is about to be shown: edges need the bones' DRR at the pose where the C-arm is now."""
        self._edgesShown = parameters.overlayMode.value == "edges"
        if self._edgesShown and node.GetID() in self._staleBones:
            self.poseMoved(parameters, node)

    def _isCArm(self, node):
        from SphericalRegLib.errors import SphericalRegError
        from SphericalRegLib.scene.carm import view_count

        try:
            return view_count(node) > 0
        except SphericalRegError:
            return False

    def _prepareLiveOf(self, parameters, node):
        from SphericalRegLib.scene.carm import carm_nodes, views

        snapshot = Snapshot(parameters)
        ct = carm_nodes(node).ct
        # the DRR of a C-arm is that of its own CT; another one may be chosen by now
        if ct is None or snapshot.ctVolume is None or ct.GetID() != snapshot.ctVolume.GetID():
            return False
        _scan, volume = self.preparation.scanAndVolume(*snapshot.whatIsProjected)
        self._prepareLive(volume, views(node))
        return True

    def _prepareLive(self, volume, views):
        from SphericalRegLib.app.live_drr import LiveDRR

        key = (id(volume), *(view.intrinsics.tolist() for view in views))
        if key != self._liveKey:
            self._live, self._liveKey = LiveDRR(volume, views), key

    def _draw(self, node):
        from SphericalRegLib.scene.carm import set_drr
        from SphericalRegLib.scene.overlay import refresh_overlay
        from SphericalRegLib.scene.poses import pose_from_transform

        # deleted between the request and its turn
        if self._live is None or not self.scene.IsNodePresent(node):
            return
        pose = pose_from_transform(node)
        drrs = self._live.render(pose)
        # twice the work, so only where the bones' edges are what is shown
        bones = self._live.render_bones(pose) if self._edgesShown else [None] * len(drrs)
        for index, (drr, bone) in enumerate(zip(drrs, bones, strict=True)):
            set_drr(node, index, drr, bone)
            refresh_overlay(node, index)
        if self._edgesShown:
            self._staleBones.discard(node.GetID())
        else:
            self._staleBones.add(node.GetID())
        self.drawn.emit(node)

    def _onDrawFailed(self, error):
        from SphericalRegLib.app.failure import failure_of

        self.message.emit(failure_of(error).text)

    # Training

    def train(self, arguments):
        """Begin a training as a child process; cancelling it ends the process and its children."""
        from SphericalRegLib.app.child_process import ProcessJob

        return self.training.start(lambda: ProcessJob(arguments))

    # Results and nodes

    def writeReport(self, node, folder, device="auto"):
        """Write result.json, pose.tfm, pictures and report.html of a result; DRRs are drawn anew from its CT."""
        from SphericalRegLib.errors import InputError
        from SphericalRegLib.reporting.report import write_record
        from SphericalRegLib.scene.carm import carm_nodes
        from SphericalRegLib.scene.report import kept_record, where_registered
        from SphericalRegLib.whole_file import whole_folder

        record, found = kept_record(node), carm_nodes(node)
        if found.ct is None or (found.segments and found.segmentation is None):
            raise InputError(
                f"The report draws the CT of '{node.GetName()}' anew, and "
                f"{'it' if found.ct is None else 'its segmentation'} was deleted: load it again and register again."
            )
        _scan, volume = self.preparation.scanAndVolume(found.ct, found.segmentation, found.segments, device)
        with whole_folder(folder) as stage:
            write_record(stage, record, where_registered(volume, node))

    def removeResult(self, node):
        """Remove a result with everything that belongs to it."""
        from SphericalRegLib.scene.carm import remove_carm

        remove_carm(node)

    def nodeRemoved(self, node):
        """A node leaves the scene: what works on it is stopped. Returns in words what was stopped, or None."""
        stopped = None
        if self.registration.state.busy and self._snapshot is not None:
            used = [*self._snapshot.nodesInUse, self._preview]
            if any(one is not None and one.GetID() == node.GetID() for one in used):
                stopped = node.GetName()
                if self._preview is not None and self._preview.GetID() == node.GetID():
                    self._preview = None
                self.registration.abandon()
        stopped = self.surveys.nodeRemoved(node) or stopped
        self._removeBelongings(node)
        return stopped

    def _removeBelongings(self, node):
        """Without its pose a C-arm is nothing, and part of it is listed nowhere: the rest goes too, a little later."""
        from SphericalRegLib.scene.carm import belongings
        from SphericalRegLib.scene.nodes import remove_node

        if not self._isCArm(node):
            return
        left = belongings(node)

        def remove():
            for one in left:
                remove_node(one)
            self.cArmRemoved.emit()

        self._schedule(remove)

    def sceneCloses(self):
        """The scene is about to be closed: stop what works on it, at once, and keep nothing of it."""
        self._drawLatest.cancel()
        # closing removes the nodes
        self._preview = None
        self.registration.abandon()
        self.surveys.forget()
        self.preparation.forget()
        self._live = self._liveKey = self._inputs = self._landmarks = self._snapshot = None
        self._staleBones = set()

    def close(self):
        """The panel goes: stop everything, child processes too."""
        self.registration.abandon()
        self._dropPreview()
        self.sceneCloses()
        self.training.abandon()
