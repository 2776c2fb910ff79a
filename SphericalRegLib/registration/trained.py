"""The similarity of whatever model a registration runs with: known by name before the model is there."""

from __future__ import annotations

from dataclasses import dataclass

from torch import Tensor

from SphericalRegLib.errors import CheckpointError
from SphericalRegLib.networks.model import Model
from SphericalRegLib.networks.pairs.prost import Prost
from SphericalRegLib.similarity.contract import FixedImage, Similarity
from SphericalRegLib.similarity.learned import LearnedSimilarity
from SphericalRegLib.similarity.manifolds import MANIFOLDS, Euclidean
from SphericalRegLib.similarity.network_cost import NetworkCost


@dataclass(frozen=True)
class Trained:
    """Stands for a model's own similarity until the model is known.

    Attributes:
        losses: the encoders must have been trained by one of these (``training.losses``); empty: however they were.
        network: of two images that the model must have (``networks.pairs``); empty: whatever it has.
        squares: of a network that compares features, take the features and not the number: a sum of squares, under
            which Levenberg-Marquardt has its own model.
    """

    losses: tuple[str, ...] = ()
    network: str = ""
    squares: bool = False

    def fix(self, xray: Tensor, mask: Tensor) -> FixedImage:
        """Raises :class:`CheckpointError`, always: without a model there are no features to compare."""
        raise self.missing()

    @staticmethod
    def missing() -> CheckpointError:
        """The error where there is no model."""
        return CheckpointError(
            "This system compares by a trained model's similarity, and there is none: choose a model (--model; in the "
            "panel under Model), or another system."
        )

    def of(self, model: Model) -> Similarity:
        """The model's similarity.

        Raises:
            CheckpointError: for a model without a similarity, of a manifold that there is not, trained by another loss,
                or with another network.
        """
        has = "" if model.pair is None else model.pair.kind
        if self.network and has != self.network:
            raise CheckpointError(
                f"This system compares by the network {self.network!r}, and the model {model.card.name!r} has "
                f"{repr(has) if has else 'none of its kind'}: train one so (sphericalreg study), or choose another "
                "system."
            )
        similarity = learned_similarity(model)
        if self.squares:
            if not isinstance(model.pair, Prost):
                raise CheckpointError(
                    f"The model {model.card.name!r} compares no features whose squares could be added up: choose the "
                    "system without Levenberg-Marquardt."
                )
            return LearnedSimilarity(model.pair.moving, model.pair.fixed, Euclidean())
        if similarity is None:
            raise CheckpointError(
                f"The model {model.card.name!r} has no encoders, so there is no learned similarity to align under: "
                "choose a model that has them (sphericalreg train, --encoder_steps above 0), or register without the "
                "learned stage."
            )
        loss = ((model.card.history.get("plan") or {}).get("encoder") or {}).get("loss")
        if self.losses and loss not in self.losses:
            raise CheckpointError(
                f"The model {model.card.name!r} was trained by the loss {loss!r}, and this system is about encoders "
                f"trained by {' or '.join(map(repr, self.losses))}: train one so (sphericalreg train --loss), or "
                "choose another system."
            )
        return similarity


def learned_similarity(model: Model) -> Similarity | None:
    """The model's similarity, if it has encoders or a network of two images.

    Raises:
        CheckpointError: for a model of a manifold that there is not.
    """
    if model.pair is not None:
        return NetworkCost(model.pair)
    if model.moving is None or model.fixed is None:
        return None
    if model.card.manifold not in MANIFOLDS:
        raise CheckpointError(
            f"The model {model.card.name!r} compares features on {model.card.manifold!r}, which is none of "
            f"{', '.join(MANIFOLDS)}: train it again."
        )
    return LearnedSimilarity(model.moving, model.fixed, MANIFOLDS[model.card.manifold])
