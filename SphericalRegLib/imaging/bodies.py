"""A CT taken apart into bodies that can move on their own: chosen bones, and all the rest.

Line integrals add up. So the rest is the CT with the bones' places filled with soft tissue, a bone is what it
attenuates beyond that filling, and the images of all of them, at one pose, add up to that of the whole CT.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np
import torch
from numpy.typing import NDArray
from scipy import ndimage

from SphericalRegLib.errors import InputError
from SphericalRegLib.geometry.volume import Volume
from SphericalRegLib.imaging.attenuation import linear_attenuation
from SphericalRegLib.imaging.ct import CT
from SphericalRegLib.imaging.labels import select_labels
from SphericalRegLib.imaging.volume import Box, box_of, grown, to_volume

#: The body that all moves in which is not chosen.
REST = "rest"
# Muscle, fat and organs, HU, from which the filling is taken.
_SOFT = (-100.0, 130.0)
# Where nothing soft is near.
_MUSCLE_HU = 40.0
# Voxels around a bone that hold a part of its rim, and those farther out that tell what surrounds it.
_RIM, _AROUND = 1, 4


@dataclass(frozen=True)
class Body:
    """Something rigid that moves on its own.

    Attributes:
        name: what the user calls it.
        volume: (1, K, J, I) attenuation in 1/mm on a grid of its own; of a bone beside the rest of its CT what it
            attenuates beyond soft tissue.
        excess: whether that is so, or it is an implant: then all of it counts as bone does.
    """

    name: str
    volume: Volume
    excess: bool = False


def bodies_of(
    ct: CT, bones: Mapping[str, Sequence[int | str]], *, rest: bool = True, energy_kev: float = 70.0
) -> tuple[Body, ...]:
    """The bodies of a CT.

    Args:
        ct: with a label map.
        bones: {name: labels that make up this body, by number or name}, at least one.
        rest: whether the rest of the CT is a body too, the last one, named :data:`REST`; without it bones attenuate all
            that they attenuate, and nothing else is seen.
        energy_kev: the X-ray's effective energy.

    Returns:
        the bones in their order, each cropped to its own box, with its middle as isocenter; then the rest.

    Raises:
        InputError: without bones, for labels that are not there or in two bodies, or a bone named :data:`REST`.
    """
    if not bones:
        raise InputError("There is no body: choose bones by the names or numbers of their labels.")
    if REST in bones:
        raise InputError(f"A body is named {REST!r}, as what is left of the CT is: give it another name.")
    if not rest:
        return tuple(Body(name, to_volume(ct, labels=chosen, energy_kev=energy_kev)) for name, chosen in bones.items())
    owners: dict[int, str] = {}
    hu, bodies = ct.hu.copy(), list[Body]()
    for name, chosen in bones.items():
        numbers = select_labels(ct.labels, ct.label_names, chosen)
        for number in numbers:
            if owners.setdefault(number, name) != name:
                raise InputError(f"Label {number} is in the bodies {owners[number]!r} and {name!r}: leave one out.")
        assert ct.labels is not None
        body, box, inside, filling = _excess(ct, ct.labels, numbers, energy_kev)
        hu[box][inside] = filling
        bodies.append(Body(name, body, excess=True))
    return (*bodies, Body(REST, to_volume(replace(ct, hu=hu), energy_kev=energy_kev)))


def _excess(
    ct: CT, labels: NDArray[np.int32], numbers: Sequence[int], energy_kev: float
) -> tuple[Volume, Box, NDArray[np.bool_], float]:
    """A bone's attenuation beyond its filling; the box that holds it, where in the box it is, and the filling, HU."""
    tight = box_of(np.isin(labels, numbers))
    wide = grown(tight, labels.shape, _AROUND)
    owners, hu = labels[wide], ct.hu[wide]
    bone = np.isin(owners, numbers)
    around = ndimage.binary_dilation(bone, iterations=_AROUND) & (owners == 0)
    soft = hu[around & (hu > _SOFT[0]) & (hu < _SOFT[1])]
    filling = float(np.median(soft)) if soft.size else _MUSCLE_HU
    box = grown(tight, labels.shape, _RIM + 1)
    owners, hu = labels[box], ct.hu[box]
    bone = np.isin(owners, numbers)
    # voxels beside the bone hold a part of it, and move with it
    rim = ndimage.binary_dilation(bone, iterations=_RIM) & (owners == 0) & (hu > max(filling, _SOFT[1]))
    inside = bone | rim
    of_filling = linear_attenuation(np.array([filling], np.float32), energy_kev)
    density = np.where(inside, linear_attenuation(hu, energy_kev) - of_filling, np.float32(0))
    matrix = ct.world_from_voxel.copy()
    matrix[:3, 3] += matrix[:3, :3] @ np.array([one.start for one in reversed(box)], float)
    middle = np.array([(one.start + one.stop - 1) / 2 for one in reversed(tight)])
    isocenter = ct.world_from_voxel[:3, :3] @ middle + ct.world_from_voxel[:3, 3]
    volume = Volume(
        torch.from_numpy(np.ascontiguousarray(density[None])), torch.from_numpy(matrix), torch.from_numpy(isocenter)
    )
    return volume, box, inside, filling
