"""By what a pose is judged: a similarity, and how CT and X-rays are shown to it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field, replace

from SphericalRegLib.errors import InputError
from SphericalRegLib.geometry.volume import Volume
from SphericalRegLib.networks.model import Model
from SphericalRegLib.registration.trained import Trained
from SphericalRegLib.similarity.contract import Similarity


@dataclass(frozen=True)
class Look:
    """A similarity at one resolution. Stages, verdicts, second opinions and landscapes all take one.

    Attributes:
        similarity: what images are compared by.
        size: pixels along the X-ray's longer side; never more than the X-ray has. With a footprint, along the longer
            side of what a search of 10 mm would leave of the X-ray; a wider one has more of the same pixels. 0, for
            :class:`Trained`: as many as the model was trained at.
        voxel: voxels of the CT, in pixels' size at the isocenter.
        robust_scale: residuals beyond so many typical ones count as outliers (``Objective.robust_scale``).
        footprint_mm: at the isocenter: pixels farther than this from the DRR do not count, so that a bone alone is
            compared with what is near it. None: all pixels count.
        bone_hu: pixels count by how much of the DRR's gradient comes of what is denser than this, HU: skin and gas
            move, and what the CT's ends cut off is no anatomy. None: all pixels count alike.
        parted: whether what is not that dense may be of another strength than the CT says (``Objective.parted``):
            bone and soft tissue harden the beam differently.
        saturation: line integral beyond which X-rays hardly show more metal (``Objective.saturation``), some 1 to 3;
            None: they show all.
        adapt: what the CT becomes before it is rendered: a trained volume network Ψ. None: the CT itself.

    Raises:
        InputError: for a size, scale or footprint that is none, or parts without what parts them.
    """

    similarity: Similarity
    size: int
    voxel: float = 0.75
    robust_scale: float = 2.5
    footprint_mm: float | None = None
    bone_hu: float | None = None
    parted: bool = False
    saturation: float | None = None
    adapt: Callable[[Volume], Volume] | None = field(default=None, repr=False)

    def __post_init__(self) -> None:
        if self.size < 8 and not (self.size == 0 and isinstance(self.similarity, Trained)):
            raise InputError(f"The size is {self.size} pixels: give at least 8, usually 32 to 256.")
        for name in ("voxel", "robust_scale"):
            if not 0 < getattr(self, name) < float("inf"):
                raise InputError(f"{name} is {getattr(self, name)}: give a number above 0.")
        if self.footprint_mm is not None and not 0 < self.footprint_mm < float("inf"):
            raise InputError(f"footprint_mm is {self.footprint_mm}: give a length above 0.")
        if self.saturation is not None and not 0 < self.saturation < float("inf"):
            raise InputError(f"saturation is {self.saturation}: give a line integral above 0, usually 1 to 3.")
        if self.saturation is not None and self.bone_hu is not None:
            raise InputError("saturation is for metal and bone_hu for bone: a look has one of them.")
        if self.parted and self.bone_hu is None:
            raise InputError("Parts of a DRR (parted) are bone and the rest: give bone_hu, from where on it is bone.")

    @property
    def needs_model(self) -> bool:
        """Whether the similarity is that of a model, which is not known yet."""
        return isinstance(self.similarity, Trained)

    def of(self, model: Model | None) -> Look:
        """The look with a model's own similarity where it stands for one; itself otherwise.

        Raises:
            CheckpointError: without a model that has the similarity.
        """
        if not isinstance(self.similarity, Trained):
            return self
        if model is None:
            raise Trained.missing()
        return replace(
            self,
            similarity=self.similarity.of(model),
            size=self.size or model.card.encoder_pixels,
            adapt=model.volume_network,
        )
