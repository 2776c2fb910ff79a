"""Training of learned similarities: losses on what an optimizer makes of them."""

from SphericalRegLib.training.losses import gradient_loss, gradient_of_distance, step_loss

__all__ = ["gradient_loss", "gradient_of_distance", "step_loss"]
