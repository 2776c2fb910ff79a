"""Which C-arm the slice views and the 3D view show: a result's, a running registration's, or one placed by hand."""

import slicer

from SphericalRegLib.scene.session.removal import is_carm

# One slice view for each X-ray.
_SLICE_VIEWS = ("Red", "Yellow")


class CArmDisplay:
    """
    :param parameters: returns the parameter node's wrapper, or None while there is none.
    :param session: what registers, and draws.
    """

    def __init__(self, parameters, session):
        self._parameters = parameters
        self._session = session
        self.forget()

    def forget(self):
        """Nothing is shown: the scene was closed."""
        # (the shown C-arm's ID, overlay mode, opacity)
        self._shown = None
        self._filledViews = set()
        # mm of the detector of a C-arm without X-ray
        self._extent = None

    @property
    def empty(self):
        """Whether nothing of ours is shown."""
        return self._shown is None

    def shows(self, node):
        """Whether this C-arm is the one in the views."""
        return self._shown is not None and self._shown[0] == node.GetID()

    def update(self):
        """Follow the parameter node: overlay mode and opacity, and what was removed."""
        if self._shown is None:
            self._find()
            return
        node = self.node()
        if node is None:
            self._showWhatIsLeft()
        elif self._shown != self._key(node):
            self.show(node)

    def chosen(self):
        """The C-arm to show: the result's, or else that of the current pose; None without either."""
        parameters = self._parameters()
        # a selector may change while the scene is closed, or before the panel is entered
        if parameters is None:
            return None
        if parameters.currentResult is not None:
            return parameters.currentResult
        return parameters.currentPose if is_carm(parameters.currentPose) else None

    def node(self):
        """The C-arm in the views, or None."""
        return None if self._shown is None else slicer.mrmlScene.GetNodeByID(self._shown[0])

    def show(self, node):
        """X-ray and DRR of a C-arm in one slice view for each X-ray, and in 3D."""
        from SphericalRegLib.scene.carm import carm_nodes, view_count
        from SphericalRegLib.scene.overlay import show_overlay

        parameters = self._parameters()
        if not _isResult(node) and None in carm_nodes(node).drrs:
            # shown when they are drawn
            self._session.draw(parameters, node)
            return
        self._session.overlayChosen(parameters, node)
        another = not self.shows(node)
        if another:
            self.select(node)
        for index, sliceNode, composite in _sliceViews():
            if index < view_count(node):
                mode, opacity = parameters.overlayMode.value, parameters.overlayOpacity
                show_overlay(node, index, sliceNode, composite, mode, opacity, fit=another)
                self._filledViews.add(index)
                self._shown = self._key(node)
            else:
                self._leaveView(index, sliceNode, composite)

    def follow(self, node):
        """A C-arm's DRR was drawn anew: let the slice views go with it, or turn to what moves."""
        if self.shows(node):
            from SphericalRegLib.scene.carm import carm_nodes
            from SphericalRegLib.scene.overlay import align_slice

            images = carm_nodes(node).images
            for index, sliceNode, _composite in _sliceViews()[: len(images)]:
                if images[index] is not None:
                    align_slice(sliceNode, images[index], fit=False)
        elif node is self._session.preview or node is self._parameters().currentPose:
            self.show(node)

    def followCArm(self, node):
        """The DRR of a C-arm without X-ray was drawn anew: show it, and fit the view where its detector has changed."""
        from SphericalRegLib.scene.carm import carm_nodes, views
        from SphericalRegLib.scene.overlay import align_slice

        view = views(node)[0]
        extent = (view.height * view.spacing[0], view.width * view.spacing[1])
        if not self.shows(node):
            self.show(node)
        else:
            for _index, sliceNode, _composite in _sliceViews()[:1]:
                align_slice(sliceNode, carm_nodes(node).drrs[0], fit=extent != self._extent)
        self._extent = extent

    def select(self, node):
        """Of all C-arms show this one in 3D."""
        from SphericalRegLib.scene.carm import carm_nodes, show_only
        from SphericalRegLib.scene.landmarks import show_names
        from SphericalRegLib.scene.results import refresh_projections

        show_only(node)
        if _isResult(node):
            refresh_projections(node)
        copies, original = carm_nodes(node).landmarks, self._parameters().ctLandmarks
        if copies is not None:
            # they lie on the user's own, which bear the names already
            show_names(copies, original is None or not original.GetDisplayVisibility())

    def _key(self, node):
        parameters = self._parameters()
        return node.GetID(), parameters.overlayMode, parameters.overlayOpacity

    def _find(self):
        """A scene was loaded: which of the chosen C-arms do its slice views show?"""
        parameters = self._parameters()
        for node in (parameters.currentResult, parameters.currentPose):
            if is_carm(node) and _isInView(node):
                self._shown = self._key(node)
                return

    def _showWhatIsLeft(self):
        """The C-arm in the views was removed: show the chosen one, or the user's own images."""
        self._shown = None
        node = self.chosen()
        if node is not None:
            self.show(node)
            return
        for index, sliceNode, composite in _sliceViews():
            self._leaveView(index, sliceNode, composite)

    def _leaveView(self, index, sliceNode, composite):
        """Put the user's X-ray, or else the CT, into a slice view that shows what is of no C-arm in view any more."""
        from SphericalRegLib.scene.overlay import carm_shown, leave_overlay

        if index in self._filledViews or carm_shown(composite) is not None:
            parameters = self._parameters()
            xray = (parameters.xray1Volume, parameters.xray2Volume)[index]
            leave_overlay(sliceNode, composite, xray or parameters.ctVolume)
            self._filledViews.discard(index)


def _isResult(node):
    return node.GetAttribute("SphericalReg.Result") is not None


def _sliceViews():
    """[(view's number, slice node, composite node)]; empty where the application shows no slice views."""
    found = []
    for index, name in enumerate(_SLICE_VIEWS):
        sliceNode = slicer.mrmlScene.GetNodeByID(f"vtkMRMLSliceNode{name}")
        composite = slicer.mrmlScene.GetNodeByID(f"vtkMRMLSliceCompositeNode{name}")
        if sliceNode is not None and composite is not None:
            found.append((index, sliceNode, composite))
    return found


def _isInView(node):
    """Whether a slice view shows an image of a C-arm."""
    from SphericalRegLib.scene.overlay import carm_shown

    return any(carm_shown(composite) is node for _index, _slice, composite in _sliceViews())
