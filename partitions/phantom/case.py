"""One phantom case, from its institution and number to images and labels."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from partitions.phantom.anatomy import build_brain, draw_warp, load_template, to_case
from partitions.phantom.contrast import render
from partitions.phantom.distractors import draw_distractors
from partitions.phantom.federation import InstitutionSpec
from partitions.phantom.grid import Grid
from partitions.phantom.lesion import draw_plan, grow
from partitions.phantom.scanner import scan
from partitions.seeding import generator


@dataclass(frozen=True)
class PhantomCase:
    """A case's volumes.

    Attributes:
        images: int16 (4, z, y, x): t1, t1ce, t2, flair; 0 outside the brain.
        labels: uint8 (z, y, x): 0, 1, 2, 4.
        grid: Where they lie.
    """

    images: NDArray[np.int16]
    labels: NDArray[np.uint8]
    grid: Grid


def make_case(seed: int, institution: InstitutionSpec, number: int, grid: Grid) -> PhantomCase:
    """Make case `number` of an institution; it depends on nothing else.

    Args:
        seed: The data set's seed.
        institution: Its tumours and its scanner.
        number: Which of the institution's cases, from 0.
        grid: The grid to make it on.
    """

    def rng(purpose: str) -> np.random.Generator:
        return generator(seed, "phantom", purpose, institution.name, number)

    template = load_template(grid)
    warp = draw_warp(rng("anatomy"), grid)
    drawn = rng("lesion")
    plan = draw_plan(drawn, institution.tumours)
    centre = to_case(warp, template.seats[drawn.integers(len(template.seats))])
    push = float(drawn.uniform(0.12, 0.32))
    brain = build_brain(template, grid, warp, centre, 1.4 * plan.radius_mm, push)
    inner = grid.part(brain.box)
    labels = grow(rng("shape"), inner, brain, plan, centre)
    extras = draw_distractors(rng("distractors"), inner, brain, labels > 0)
    images = render(rng("tissue"), inner, brain, labels, extras)
    scanned = scan(rng("scanner"), inner, images, brain.mask, institution.scanner)

    case = PhantomCase(np.zeros((4, *grid.shape), dtype=np.int16), np.zeros(grid.shape, dtype=np.uint8), grid)
    case.images[:, *brain.box] = scanned
    case.labels[brain.box] = labels
    return case
