"""Mouse, wheel and arrow keys of the slice views that show a C-arm, handed to what pushes the bones."""

import slicer

from SphericalRegLib.scene.session.hand import Hand
from SphericalRegUI.Feedback import reported

_VIEWS = ("Red", "Yellow")
# Before Slicer's own observers, which would change the window or the slice.
_FIRST = 100.0
_EVENTS = {
    "LeftButtonPressEvent": "_press",
    "MouseMoveEvent": "_move",
    "LeftButtonReleaseEvent": "_release",
    "MouseWheelForwardEvent": "_wheelForward",
    "MouseWheelBackwardEvent": "_wheelBackward",
    "KeyPressEvent": "_key",
}


class SliceHand:
    """
    :param display: which C-arm is shown.
    :param moved: called with a C-arm that was moved.
    :param label: tells errors.
    """

    def __init__(self, display, moved, label):
        self._display = display
        self._moved = moved
        self._label = label
        self._hand = Hand()
        self._observed = []

    def setActive(self, active):
        """Let the hand push, or not."""
        self._hand.release()
        for interactor, tag in self._observed:
            interactor.RemoveObserver(tag)
        self._observed = []
        layout = slicer.app.layoutManager()
        if not active or layout is None:
            return
        for index, name in enumerate(_VIEWS):
            widget = layout.sliceWidget(name)
            if widget is None:
                continue
            interactor = widget.sliceView().interactor()
            for event, method in _EVENTS.items():
                # the command is needed to keep the event from others, and is known once it is observed
                place = []
                tag = interactor.AddObserver(event, self._handler(interactor, index, widget, method, place), _FIRST)
                place.append(interactor.GetCommand(tag))
                self._observed.append((interactor, tag))

    def _handler(self, interactor, index, widget, method, place):
        def handle(caller, event):
            node = self._display.node()
            if node is None:
                return
            with reported(self._label):
                from SphericalRegLib.scene.carm import view_count

                if index < view_count(node) and getattr(self, method)(interactor, index, widget, node):
                    place[0].SetAbortFlag(1)

        return handle

    def _press(self, interactor, index, widget, node):
        shift, control = bool(interactor.GetShiftKey()), bool(interactor.GetControlKey())
        position = interactor.GetEventPosition()
        self._hand.press(node, index, widget.mrmlSliceNode(), position, shift, control)
        # keys go to the view that was clicked
        widget.sliceView().VTKWidget().setFocus()
        return True

    def _move(self, interactor, index, widget, node):
        if not self._hand.holds:
            return False
        self._hand.move(interactor.GetEventPosition())
        self._moved(node)
        return True

    def _release(self, interactor, index, widget, node):
        held = self._hand.holds
        self._hand.release()
        return held

    def _wheelForward(self, interactor, index, widget, node):
        return self._wheel(interactor, index, node, 1)

    def _wheelBackward(self, interactor, index, widget, node):
        return self._wheel(interactor, index, node, -1)

    def _wheel(self, interactor, index, node, steps):
        if interactor.GetControlKey():
            # Slicer's zoom
            return False
        self._hand.turn_wheel(node, index, steps, bool(interactor.GetShiftKey()))
        self._moved(node)
        return True

    def _key(self, interactor, index, widget, node):
        shift, control = bool(interactor.GetShiftKey()), bool(interactor.GetControlKey())
        if not self._hand.press_key(node, index, interactor.GetKeySym(), shift, control):
            return False
        self._moved(node)
        return True
