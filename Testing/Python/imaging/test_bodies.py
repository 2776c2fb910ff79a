"""A CT taken apart: at one pose its bodies draw what the whole CT draws."""

import numpy as np
import pytest
import torch

from SphericalRegLib.errors import InputError
from SphericalRegLib.geometry import se3
from SphericalRegLib.geometry.view import View
from SphericalRegLib.imaging.bodies import REST, bodies_of
from SphericalRegLib.imaging.ct import CT
from SphericalRegLib.imaging.volume import to_volume
from SphericalRegLib.rendering import render


def a_ct() -> CT:
    """Soft tissue with two bones, oblique and anisotropic; the second one's rim is not labelled."""
    hu = np.full((14, 20, 24), 30.0, np.float32)
    labels = np.zeros(hu.shape, np.int32)
    hu[:, :2] = -1000
    for label, box in ((3, np.s_[4:9, 6:12, 4:10]), (7, np.s_[5:10, 7:13, 14:20])):
        hu[box], labels[box] = 700 + 10 * label, label
    hu[5:10, 7:13, 20] = 300
    matrix = se3.exp(torch.tensor([0.3, -0.2, 0.5, 40.0, -25.0, 60.0]).double()).numpy()
    return CT(hu, matrix @ np.diag([2.0, 2.5, 3.5, 1.0]), labels, {3: "left", 7: "right"})


def drawn(volumes) -> torch.Tensor:
    view = View.from_spacing(40, 44, 1000, (3.0, 2.5), principal_point=(20.0, 22.0))
    turn = se3.so3_exp(torch.tensor([1.2, 0.3, -0.2]).double())
    whole = to_volume(a_ct())
    pose = se3.from_parts(turn, torch.tensor([4.0, -3.0, 700.0]).double()) @ se3.translation(-whole.center)
    return sum(render(one, view, pose[None], samples=400)[0, 0] for one in volumes)


def test_the_bodies_add_up_to_the_ct():
    bodies = bodies_of(a_ct(), {"a": ["left"], "b": [7]})
    assert [body.name for body in bodies] == ["a", "b", REST]
    whole, parts = drawn([to_volume(a_ct())]), drawn([body.volume for body in bodies])
    # samples lie elsewhere along each ray
    assert float((whole - parts).abs().max()) < 0.01 * float(whole.max())


def test_a_bone_is_cropped_and_turns_about_its_own_middle():
    ct = a_ct()
    bone = bodies_of(ct, {"a": [3]})[0].volume
    assert bone.density[0].numel() < 0.5 * ct.hu.size
    middle = ct.world_from_voxel @ np.array([6.5, 8.5, 6.0, 1.0])
    np.testing.assert_allclose(bone.center.numpy(), middle[:3])


def test_what_a_bone_leaves_is_as_dense_as_what_lies_around_it():
    rest = bodies_of(a_ct(), {"a": [3], "b": [7]})[-1].volume
    dense = rest.density[rest.density > 0.01]
    assert float(dense.max() - dense.min()) < 1e-4


def test_a_rim_moves_with_its_bone():
    rest = bodies_of(a_ct(), {"b": [7]})[-1].volume
    # the other bone stays, the rim of 300 HU does not
    assert float(rest.density.max()) == pytest.approx(float(to_volume(a_ct(), labels=[3]).density.max()))
    assert not bool(((rest.density > 0.022) & (rest.density < 0.03)).any())


def test_bones_alone_attenuate_all_that_they_attenuate():
    (alone,) = bodies_of(a_ct(), {"a": [3]}, rest=False)
    assert torch.equal(alone.volume.density, to_volume(a_ct(), labels=[3]).density)


def test_bones_of_several_labels_are_one_body():
    both = bodies_of(a_ct(), {"both": [3, 7]})[0].volume
    assert int((both.density > 0).sum()) > int((bodies_of(a_ct(), {"a": [3]})[0].volume.density > 0).sum())


@pytest.mark.parametrize(
    ("bones", "words"),
    [
        ({}, "no body"),
        ({REST: [3]}, "named 'rest'"),
        ({"a": [3], "b": [7, 3]}, "Label 3 is in the bodies 'a' and 'b'"),
        ({"a": [5]}, "no label 5"),
    ],
)
def test_bodies_that_are_none_are_refused(bones, words):
    with pytest.raises(InputError, match=words):
        bodies_of(a_ct(), bones)
