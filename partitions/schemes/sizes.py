"""Sizes of the institutions of FeTS 2022, Task 1 (partitioning_1.csv and partitioning_2.csv, 1251 cases)."""

from __future__ import annotations

FETS23 = (
    *(511, 6, 15, 47, 22, 34, 12, 8, 4, 8, 14, 11),
    *(35, 6, 13, 30, 9, 382, 4, 33, 35, 7, 5),
)

# The five largest of FETS23 stand here as the thirds that the challenge cut them into.
FETS33 = (
    *((170, 170, 171), (6,), (15,), (16, 15, 16), (22,), (34,), (12,), (8,), (4,), (8,), (14,), (11,)),
    *((12, 11, 12), (6,), (13,), (30,), (9,), (127, 127, 128), (4,), (33,), (12, 11, 12), (7,), (5,)),
)
