"""What an institution's scanner does to ideal images: blur, contrast, bias field, noise, units."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from partitions.phantom.anatomy import Mask
from partitions.phantom.federation import Scanner
from partitions.phantom.fields import smooth_field
from partitions.phantom.grid import Grid

_BIAS_LENGTH_MM = 90.0
_CASE_GAIN = 0.08


def scan(
    rng: np.random.Generator, grid: Grid, images: NDArray[np.float32], mask: Mask, scanner: Scanner
) -> NDArray[np.int16]:
    """Return the images as the scanner would store them.

    Blur by a Gaussian point-spread function, contrast by a power law, a smooth multiplicative bias
    field, Rician noise |s + n1 + i n2| (Gudbjartsson and Patz, 1995), then integer units.

    Args:
        rng: Draws gains, bias field and noise of this scan.
        grid: The case's grid.
        images: Ideal images, float32 (4, z, y, x).
        mask: The brain; outside it all is exactly 0, inside at least 1.
        scanner: The institution's scanner.

    Returns:
        int16 array (4, z, y, x).
    """
    from scipy import ndimage

    stored = np.zeros(images.shape, dtype=np.int16)
    common = smooth_field(rng, grid, _BIAS_LENGTH_MM)
    for channel, image in enumerate(images):
        blurred = ndimage.gaussian_filter(image, scanner.blur_mm / grid.spacing, truncate=3.0)
        signal = np.maximum(blurred[mask], 0.0) ** np.float32(scanner.gamma[channel])
        bias = (0.7 * common + 0.7 * smooth_field(rng, grid, _BIAS_LENGTH_MM))[mask]
        signal *= np.exp(np.float32(scanner.bias) * np.clip(bias, -2.0, 2.0))
        noise = rng.standard_normal((2, signal.size), dtype=np.float32) * np.float32(scanner.noise)
        signal = np.hypot(signal + noise[0], noise[1])
        gain = scanner.gain[channel] * np.exp(rng.normal(0.0, _CASE_GAIN))
        stored[channel][mask] = np.clip(np.rint(signal * np.float32(gain)), 1, 32767).astype(np.int16)
    return stored
