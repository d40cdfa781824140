from __future__ import annotations

import math

import torch

from tasks.segmentation.loss import region_loss, soft_dice


def test_soft_dice_by_hand() -> None:
    targets = torch.zeros(1, 3, 1, 1, 4)
    targets[0, 0, 0, 0, :2] = 1
    probabilities = torch.zeros_like(targets)
    probabilities[0, 0, 0, 0] = torch.tensor([1.0, 0.5, 0.5, 0.0])
    # Region 0: 2 * 1.5 / (1.5 + 2); region 1: both empty.
    dice = soft_dice(probabilities, targets)
    assert math.isclose(float(dice[0]), 3 / 3.5, rel_tol=1e-4)
    assert float(dice[1]) == 1.0


def test_soft_dice_is_of_the_batch_not_of_patches() -> None:
    targets = torch.zeros(2, 3, 2, 2, 2)
    targets[0] = 1
    dice = soft_dice(targets * 0.5 + 0.25, targets)
    # 2 * 8 * .75 / (8 * .75^2 + 8 * .25^2 + 8)
    assert torch.allclose(dice, torch.full((3,), 12 / (4.5 + 0.5 + 8)), atol=1e-5)


def test_the_loss_is_the_weighted_mean_of_dice_and_entropy() -> None:
    logits = torch.zeros(1, 3, 1, 1, 2)
    targets = torch.tensor([[[[[1.0, 0.0]]], [[[1.0, 1.0]]], [[[0.0, 0.0]]]]])
    loss, dice = region_loss(logits, targets, torch.tensor([1.0, 2.0, 1.0]))
    # p = 1/2: Dice 2 * .5 / (.5 + 1), 2 * 1 / (.5 + 2), ~0; entropy ln 2 everywhere.
    expected = ((1 - 2 / 3) + 2 * (1 - 0.8) + (1 - 0.0)) / 4 + math.log(2)
    assert torch.allclose(dice, torch.tensor([2 / 3, 0.8, 0.0]), atol=1e-4)
    assert math.isclose(float(loss), expected, rel_tol=1e-4)


def test_a_perfect_answer_costs_nothing_and_the_gradient_points_to_it() -> None:
    targets = (torch.rand(1, 3, 4, 4, 4, generator=torch.Generator().manual_seed(0)) > 0.5).float()
    perfect, _ = region_loss((targets * 2 - 1) * 30, targets, torch.ones(3))
    assert float(perfect) < 1e-4
    logits = torch.zeros_like(targets, requires_grad=True)
    loss, _ = region_loss(logits, targets, torch.ones(3))
    loss.backward()  # type: ignore[no-untyped-call]
    assert logits.grad is not None
    assert bool(((logits.grad < 0) == (targets == 1)).all())
