"""Slicer's own slice and 3D views, rendered off screen through trame-slicer."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import vtk
from trame_slicer.views import DirectViewFactory, NoScheduleRendering, ViewLayoutDefinition
from vtk.util import numpy_support

from Testing.Python.scene.builders import application


class OffScreen:
    """An application with one slice view and one 3D view.

    Attributes:
        app: trame-slicer's application.
        scene: its MRML scene.
        slice_view, threed_view: the views.
    """

    def __init__(self, size: tuple[int, int] = (500, 400), app: Any = None) -> None:
        self.app = app or application()
        self.scene = self.app.scene
        manager = self.app.view_manager
        manager.register_factory(DirectViewFactory(do_render_offscreen=True))
        self.slice_view: Any = manager.create_view(ViewLayoutDefinition.axial_view())
        self.threed_view: Any = manager.create_view(ViewLayoutDefinition.threed_view())
        for view in (self.slice_view, self.threed_view):
            # Volume rendering on a CPU takes seconds: once for a picture, not at every change of the scene.
            view.set_scheduled_render(NoScheduleRendering())
            # On a CPU what is translucent is lost with multisampling.
            view.render_window().SetMultiSamples(0)
            view.render_window().SetSize(*size)
        manager.set_current_view_ids([view.get_singleton_tag() for view in (self.slice_view, self.threed_view)])
        self.slice_view._update_slice_size()
        self.threed_view.set_box_visible(False)

    @property
    def slice_node(self) -> Any:
        return self.slice_view.get_view_node()

    @property
    def composite_node(self) -> Any:
        return self.slice_view._logic.GetSliceCompositeNode()

    @property
    def camera_node(self) -> Any:
        return self.threed_view.get_camera_node()

    @property
    def volume_rendering_logic(self) -> Any:
        return self.app.volume_rendering._logic

    def picture(self, view: Any) -> np.ndarray:
        """(H, W, 3) uint8 of a view as it is now, first row on top."""
        grabbed = self._grab(view)
        width, height, _ = grabbed.GetDimensions()
        pixels: np.ndarray = numpy_support.vtk_to_numpy(grabbed.GetPointData().GetScalars())
        return pixels.reshape(height, width, -1)[::-1, :, :3].copy()

    def save(self, view: Any, path: Path) -> None:
        writer = vtk.vtkPNGWriter()
        writer.SetFileName(str(path))
        writer.SetInputData(self._grab(view))
        writer.Write()

    def close(self) -> None:
        self.scene.Clear(True)
        for view in (self.slice_view, self.threed_view):
            view.finalize()

    @staticmethod
    def _grab(view: Any) -> Any:
        view.first_renderer().ResetCameraClippingRange()
        view.render()
        grabber = vtk.vtkWindowToImageFilter()
        grabber.SetInput(view.render_window())
        grabber.ReadFrontBufferOff()
        grabber.Update()
        return grabber.GetOutput()
