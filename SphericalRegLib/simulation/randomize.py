"""Domain randomization of training images, as Chen and Kong (WACV 2026) do it.

Seven steps, each applied to each image with probability one half, in this order: smoothing, noise, new bounds, linear
scale, gamma, a sine as tone curve, and a rectangle erased. Images are brightness between 0 and 1 before and after.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

import torch
import torch.nn.functional as F
from torch import Tensor

from SphericalRegLib.errors import InputError
from SphericalRegLib.simulation.randomize_strong import exposure, instruments
from SphericalRegLib.simulation.randomize_strong import uniform as _uniform

Step = Callable[[Tensor, torch.Generator], Tensor]


def randomize(
    images: Tensor,
    generator: torch.Generator,
    steps: Sequence[str] | None = None,
    probability: float = 0.5,
) -> Tensor:
    """Images (B, H, W) in [0, 1], each changed in its own way; the result is clamped to [0, 1].

    Args:
        images: any device; random numbers are drawn on the CPU, so that a seed gives the same on all of them.
        generator: on the CPU; its state says what comes next, so that training can resume exactly.
        steps: names from :data:`STEPS` and :data:`STRONGER`; all of the former by default.
        probability: of each step.

    Raises:
        InputError: for another shape, an unknown step, or values that are not finite.
    """
    if images.ndim != 3:
        raise InputError(f"Images to randomize are (B, H, W), not {tuple(images.shape)}.")
    if not torch.isfinite(images).all():
        raise InputError("An image to randomize holds NaN or infinity: the renderer or the reader went wrong.")
    table = STEPS | STRONGER
    if unknown := sorted(set(steps or ()) - set(table)):
        raise InputError(f"There is no randomization {', '.join(unknown)}: choose from {', '.join(table)}.")
    for name in STEPS if steps is None else steps:
        chosen = (torch.rand(len(images), 1, 1, generator=generator) < probability).to(images.device)
        images = torch.where(chosen, table[name](images, generator), images)
    return images.clamp(0, 1)


def _peak(images: Tensor) -> Tensor:
    return images.amax(dim=(1, 2), keepdim=True)


def smoothing(images: Tensor, generator: torch.Generator) -> Tensor:
    """The mean of 3 × 3 or 5 × 5 pixels, either as likely."""
    wide = (torch.rand(len(images), 1, 1, generator=generator) < 0.5).to(images.device)
    three, five = (
        F.avg_pool2d(images[:, None], size, stride=1, padding=size // 2, count_include_pad=False)[:, 0]
        for size in (3, 5)
    )
    return torch.where(wide, five, three)


def noise(images: Tensor, generator: torch.Generator) -> Tensor:
    """White Gaussian noise of deviation |U(−0.15, 0.1)| · 0.4 of the maximum."""
    amplitude = 0.4 * _uniform(images, generator, -0.15, 0.1) * _peak(images)
    return images + amplitude * torch.randn(images.shape, generator=generator).to(images)


def bounds(images: Tensor, generator: torch.Generator) -> Tensor:
    """What was between a lower bound, U(−0.04, 0.02), and an upper one, U(0.9, 1.05) of the maximum, becomes 0 to 1."""
    peak = _peak(images).clamp(min=1e-6)
    lower = _uniform(images, generator, -0.04, 0.02) * peak
    upper = _uniform(images, generator, 0.9, 1.05) * peak
    return (images - lower) / (upper - lower)


def scale(images: Tensor, generator: torch.Generator) -> Tensor:
    """Times U(0.9, 1.05)."""
    return images * _uniform(images, generator, 0.9, 1.05)


def gamma(images: Tensor, generator: torch.Generator) -> Tensor:
    """To the power U(0.7, 1.3)."""
    return images.clamp(min=0) ** _uniform(images, generator, 0.7, 1.3)


def sine(images: Tensor, generator: torch.Generator) -> Tensor:
    """a · sin(b x + c) with a and b from U(0.8, 1.1), c from U(−0.5, 0.4)."""
    a, b = (_uniform(images, generator, 0.8, 1.1) for _ in range(2))
    return a * torch.sin(b * images + _uniform(images, generator, -0.5, 0.4))


def erasing(images: Tensor, generator: torch.Generator) -> Tensor:
    """A rectangle of U(0.02, 0.4) of the area and aspect from 0.3 to 1/0.3 (log-uniform), filled with the mean."""
    height, width = images.shape[-2:]
    area = height * width * _uniform(images, generator, 0.02, 0.4)
    limit = float(torch.tensor(0.3).log())
    aspect = _uniform(images, generator, limit, -limit).exp()
    tall = (area * aspect).sqrt().clamp(max=height).round()
    wide = (area / aspect).sqrt().clamp(max=width).round()
    top = (_uniform(images, generator, 0, 1) * (height - tall + 1)).floor()
    left = (_uniform(images, generator, 0, 1) * (width - wide + 1)).floor()
    rows = torch.arange(height).to(images)[None, :, None]
    columns = torch.arange(width).to(images)[None, None, :]
    within = (rows >= top) & (rows < top + tall) & (columns >= left) & (columns < left + wide)
    return torch.where(within, images.mean(dim=(1, 2), keepdim=True), images)


#: In the order of application.
STEPS: dict[str, Step] = {
    "smoothing": smoothing,
    "noise": noise,
    "bounds": bounds,
    "scale": scale,
    "gamma": gamma,
    "sine": sine,
    "erasing": erasing,
}

#: Of the simulator, see :mod:`~SphericalRegLib.simulation.randomize_strong`.
STRONGER: dict[str, Step] = {"exposure": exposure, "instruments": instruments}
