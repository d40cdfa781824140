"""Folders of finished runs with signed records, of made-up numbers."""

from __future__ import annotations

from collections.abc import Collection
from pathlib import Path
from typing import Any

import numpy as np
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from challenge.records.record import write_record
from fl_core.durable import Disk

METRICS = ("dice_wt", "dice_tc", "dice_et", "hd95_wt", "hd95_tc", "hd95_et")
HORIZON_S = 86400.0


def signed_run(
    folder: Path,
    key: Ed25519PrivateKey,
    name: str,
    seed: int = 0,
    *,
    skill: float = 0.0,
    sizes: tuple[int, ...] = (4, 3, 5),
    without: Collection[int] = (),
    rounds: int = 6,
    **facts: Any,
) -> Path:
    """Write a run over sites of these sizes but those in `without`; more skill gives better cases."""
    folder.mkdir(parents=True)
    lines = [",".join(("submission", "seed", "site", "case", "status", *METRICS))]
    for site, size in enumerate(sizes):
        for case in range(size if site not in without else 0):
            rng = np.random.default_rng([site, case, 5])
            own = np.random.default_rng([seed, site, case, *name.encode()])
            dice = 1 / (1 + np.exp(-(1.2 + skill - rng.normal(0, 0.8, 3) + own.normal(0, 0.3, 3))))
            values = [*dice.round(6).tolist(), *(60 * (1 - dice)).round(6).tolist()]
            status = "ok"
            if own.random() < 0.04:
                status, values = "timeout", [0.0] * 3 + [374.0] * 3
            head = f"{_text(name)},{seed},site {site},case-{site}-{case},{status}"
            lines.append(",".join([head, *map(str, values)]))
    (folder / "cases.csv").write_text("\n".join(lines) + "\n")
    results = _rounds(folder, name, seed, skill, len(sizes), rounds)
    (folder / "config.yaml").write_text(f"seed: {seed}\n")
    record = {
        "submission": {"name": name, "kind": "strategy", "digest": name.encode().hex()},
        "seed": seed,
        "horizon_s": HORIZON_S,
        "official": True,
        "wall_s": 61.5 + seed,
        "results": results,
    }
    write_record(folder, {**record, **facts}, key, Disk())
    return folder


def _rounds(folder: Path, name: str, seed: int, skill: float, sites: int, rounds: int) -> dict[str, float]:
    rng = np.random.default_rng([seed, 9, *name.encode()])
    head = "round,status,simulated_time_s,round_time_s,round_score,best_score,convergence_score,bytes"
    lines, site_lines = [head], ["round,site,status,start_s,time_s,bytes_down,bytes_up,loss,dice_wt"]
    now, best, area = 0.0, 0.0, 0.0
    for number in range(rounds + 1):
        score = float((0.85 + skill / 10) * (1 - np.exp(-number / 2)) + rng.normal(0, 0.01))
        best = max(best, score)
        took = 0.0 if number == rounds else float(9000 + rng.random() * 3000)
        if number < rounds:
            for site in range(sites):
                status = "late" if rng.random() < 0.1 else "ok"
                own = took * (0.4 + 0.6 * rng.random())
                moved = f"{now!r},{own!r},1000,1000"
                site_lines.append(f"{number},site {site},{status},{moved},{1 - score!r},{score!r}")
        now += took
        area = best * now / HORIZON_S
        status, total = ("final", 0) if number == rounds else ("ok", 2000 * sites)
        lines.append(f"{number},{status},{now!r},{took!r},{score!r},{best!r},{area!r},{total}")
    (folder / "rounds.csv").write_text("\n".join(lines) + "\n")
    (folder / "sites.csv").write_text("\n".join(site_lines) + "\n")
    return {"best_score": best, "convergence_score": area, "simulated_time_s": now}


def _text(name: str) -> str:
    return '"' + name.replace('"', '""') + '"'
