"""Which host serves which sites."""

from __future__ import annotations

from collections.abc import Mapping


def deal(costs: Mapping[str, float], hosts: int) -> tuple[tuple[str, ...], ...]:
    """Deal sites to hosts, so that all hosts have about as much to do.

    The most expensive site first, each to the host that has least (of equals, the first); the same costs are
    dealt the same way on every machine. No host stays empty: there are at most as many as sites.

    Args:
        costs: How much work each site has, by its name, in any unit.
        hosts: How many hosts there may be.

    Returns:
        The sites of each host, in name order.

    Example:
        >>> deal({"a": 1, "b": 5, "c": 2, "d": 3}, 2)
        (('a', 'b'), ('c', 'd'))
    """
    dealt: list[list[str]] = [[] for _ in range(min(hosts, len(costs)))]
    loads = [0.0] * len(dealt)
    for site in sorted(costs, key=lambda name: (-costs[name], name)):
        least = min(range(len(dealt)), key=lambda index: (loads[index], len(dealt[index])))
        dealt[least].append(site)
        loads[least] += costs[site]
    return tuple(tuple(sorted(sites)) for sites in dealt)
