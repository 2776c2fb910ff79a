"""Scenes of version 0.1, on Slicer's own node."""

from SphericalRegLib.app.panel.former_parameters import take_compared


def test_the_check_boxes_of_a_landscape_become_one_list(scene):
    node = scene.AddNewNodeByClass("vtkMRMLScriptedModuleNode")
    for name, value in {"surveyNCC": "False", "surveyToneFree": "True", "surveyLearned": "True"}.items():
        node.SetParameter(name, value)
    node.SetParameter("landscapeSize", "64")
    assert take_compared(node) == ["tone-free", "learned"]
    assert list(node.GetParameterNames()) == ["landscapeSize"]
    # once
    assert take_compared(node) is None
