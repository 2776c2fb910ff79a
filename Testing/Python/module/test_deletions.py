"""A deleted node is chosen nowhere any more."""

from Testing.Python.module.parameters import fields_of


def test_a_deleted_node_is_let_go_wherever_it_is_chosen(parameters):
    from SphericalRegUI.Deletions import letGo

    xray = parameters.xray1Volume
    parameters.xray2Volume = xray
    assert letGo(parameters, xray) == ["xray1Volume", "xray2Volume"]
    assert parameters.xray1Volume is None
    assert parameters.xray2Volume is None
    assert parameters.ctVolume is not None
    assert letGo(parameters, xray) == []


def test_every_node_that_is_chosen_can_be_let_go():
    from SphericalRegUI.Deletions import FIELDS

    nodes = {name for name, (kind, _) in fields_of("SphericalRegParameterNode").items() if kind.startswith("vtk")}
    # these the scene lets go, and no selector shows them
    assert set(FIELDS) == nodes - {"filledImage1", "filledImage2"}
