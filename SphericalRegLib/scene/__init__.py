"""MRML scene: inputs from its nodes, results as nodes that live and are saved with it.

Needs Slicer's ``slicer`` and ``vtk`` modules (the application, or the pip package ``slicer-core``); no Qt. No function
looks for a global scene: it is an argument, or the one that a node belongs to. Import the submodules.
"""
