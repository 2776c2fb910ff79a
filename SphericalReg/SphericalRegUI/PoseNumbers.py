"""The shown C-arm's pose in numbers: told, typed, and compared with another result's."""

from slicer.i18n import tr as _

from SphericalRegLib.scene.session.removal import is_carm
from SphericalRegUI.Feedback import reported, say

# Milliseconds that each of two results is shown for.
_BLINK = 700


class PoseNumbers:
    """
    :param ui: the panel's widgets by name.
    :param parameters: returns the parameter node's wrapper, or None while there is none.
    :param session: what tells the cost of a pose.
    :param display: which C-arm is shown.
    """

    def __init__(self, ui, parameters, session, display):
        import qt

        self.ui = ui
        self._parameters = parameters
        self._session = session
        self._display = display
        # (C-arm's ID, its pose, what it costs)
        self._cost = None
        self._typing = False
        self._blinking = []
        self._boxes = {
            "primary_deg": ui.posePrimarySpinBox,
            "secondary_deg": ui.poseSecondarySpinBox,
            "rotation_deg": ui.poseRotationSpinBox,
            "table_left": ui.poseLeftSpinBox,
            "table_front": ui.poseFrontSpinBox,
            "table_head": ui.poseHeadSpinBox,
        }
        for box in self._boxes.values():
            box.connect("valueChanged(double)", self._onTyped)
        self._timer = qt.QTimer()
        self._timer.setInterval(_BLINK)
        self._timer.connect("timeout()", self._blink)
        ui.blinkButton.connect("toggled(bool)", self._onBlinkToggled)
        ui.compareSelector.addAttribute("vtkMRMLLinearTransformNode", "SphericalReg.Result")
        ui.compareSelector.connect("currentNodeChanged(vtkMRMLNode*)", lambda node: self.update())
        session.costKnown.connect(self._onCostKnown)

    def forget(self):
        """Nothing is shown: the scene was closed."""
        self._cost = None
        self.ui.blinkButton.checked = False

    def update(self):
        """Tell the numbers of the C-arm in the views, or else of the one that would be shown."""
        node = self._display.node() or self._display.chosen()
        shown = node is not None and is_carm(node)
        self.ui.poseGroupBox.enabled = shown and not self._session.registration.state.busy
        if not shown:
            say(self.ui.poseLabel, "")
            self._compare(None)
            return
        with reported(self.ui.resultStatusLabel):
            from SphericalRegLib.geometry.carm_words import angle_words
            from SphericalRegLib.scene.poses import pose_from_transform
            from SphericalRegLib.scene.readout import readout

            told = readout(node)
            setting = told.setting
            lines = [
                _("{angles}, rotation {rotation}°; source {source} mm from the CT's middle (SID {sid} mm).").format(
                    angles=angle_words(setting.primary_deg, setting.secondary_deg, 1),
                    rotation=f"{setting.rotation_deg:.1f}",
                    source=f"{told.source_mm:.1f}",
                    sid="∞" if setting.parallel else f"{setting.sdd:.0f}",
                ),
                _("Isocenter at R {x}, A {y}, S {z} mm.").format(
                    x=f"{told.isocenter[0]:.1f}", y=f"{told.isocenter[1]:.1f}", z=f"{told.isocenter[2]:.1f}"
                ),
            ]
            pose = pose_from_transform(node)
            if self._cost is not None and self._cost[0] == node.GetID() and bool((self._cost[1] == pose).all()):
                lines[-1] += " " + _("Cost here: {cost}.").format(cost=f"{self._cost[2]:.3f}")
            elif self._cost is None or self._cost[0] != node.GetID() or not bool((self._cost[1] == pose).all()):
                self._session.askCost(self._parameters(), node)
            say(self.ui.poseLabel, "\n".join(lines))
            self._typing = True
            try:
                for name, box in self._boxes.items():
                    value = getattr(setting, name)
                    if abs(box.value - value) > 0.5 * 10.0**-box.decimals:
                        box.value = value
            finally:
                self._typing = False
        self._compare(node)

    def _compare(self, node):
        """How far the result that is compared with is from the shown C-arm."""
        other = self.ui.compareSelector.currentNode()
        both = node is not None and other is not None and other.GetID() != node.GetID()
        self.ui.blinkButton.enabled = both or self.ui.blinkButton.checked
        if not both:
            if not self.ui.blinkButton.checked:
                say(self.ui.compareLabel, "")
            return
        with reported(self.ui.resultStatusLabel):
            from SphericalRegLib.scene.readout import difference

            apart = difference(node, other)
            words = _("From '{one}' to '{other}': {degrees}°, {plane} mm in the plane, {depth} mm in depth.")
            say(
                self.ui.compareLabel,
                words.format(
                    one=node.GetName(),
                    other=other.GetName(),
                    degrees=f"{apart.rotation_deg:.2f}",
                    plane=f"{apart.plane_mm:.2f}",
                    depth=f"{apart.depth_mm:+.2f}",
                ),
            )

    def _onTyped(self, value):
        node, parameters = self._display.node() or self._display.chosen(), self._parameters()
        if self._typing or node is None or parameters is None:
            return
        with reported(self.ui.resultStatusLabel):
            from dataclasses import replace

            from SphericalRegLib.scene.readout import move_to, readout

            setting = readout(node).setting
            typed = {
                name: box.value
                for name, box in self._boxes.items()
                # what was not typed keeps every digit
                if abs(box.value - getattr(setting, name)) > 0.5 * 10.0**-box.decimals
            }
            move_to(node, replace(setting, **typed))
            if node is not parameters.currentPose and node is not parameters.currentResult:
                self._session.poseMoved(parameters, node)

    def _onCostKnown(self, node, cost):
        from SphericalRegLib.scene.poses import pose_from_transform

        if self._parameters() is not None:
            self._cost = node.GetID(), pose_from_transform(node), cost
            self.update()

    def _onBlinkToggled(self, on):
        if on:
            self._blinking = [self._display.node(), self.ui.compareSelector.currentNode()]
            self._timer.start()
        else:
            self._timer.stop()
            first = self._blinking[0] if self._blinking else None
            if first is not None and first.GetScene() is not None and not self._display.shows(first):
                self._display.show(first)

    def _blink(self):
        pair = [node for node in self._blinking if node is not None and node.GetScene() is not None]
        if len(pair) < 2 or self._session.registration.state.busy or self._parameters() is None:
            self.ui.blinkButton.checked = False
            return
        with reported(self.ui.resultStatusLabel):
            self._display.show(pair[1] if self._display.shows(pair[0]) else pair[0])
