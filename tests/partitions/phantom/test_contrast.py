import numpy as np

from partitions.phantom.case import PhantomCase

Cases = dict[str, list[PhantomCase]]


def standardised(case: PhantomCase) -> tuple[np.ndarray, np.ndarray]:
    brain = case.images[0] > 0
    values = case.images[:, brain].astype(float)
    scores = (values - values.mean(axis=1, keepdims=True)) / values.std(axis=1, keepdims=True)
    return scores, case.labels[brain]


def test_contrasts_are_those_of_gliomas(default_cases: Cases) -> None:
    rows = []
    for case in (case for cases in default_cases.values() for case in cases):
        (t1, t1ce, t2, flair), labels = standardised(case)
        rows.append(
            [
                t1[labels == 1].mean() - t1[labels == 0].mean(),
                t1ce[labels == 4].mean() - t1ce[labels == 1].mean(),
                t1ce[labels == 4].mean() - t1[labels == 4].mean(),
                t2[labels == 2].mean() - t2[labels == 0].mean(),
                flair[labels == 2].mean() - flair[labels == 0].mean(),
            ]
        )
    t1_core, rim_core, uptake, t2_oedema, flair_oedema = np.array(rows).T
    assert (t1_core < 0).all()
    assert (rim_core > 0.3).all()
    assert (uptake > 0.3).all()
    assert (t2_oedema > 0).all()
    assert (flair_oedema > 0.5).all()


FEATURES = ("t1", "t1ce", "t2", "flair")


def features(case: PhantomCase) -> tuple[dict[str, np.ndarray], np.ndarray]:
    """What a threshold may look at: raw, standardised, differences and ratios, over the brain."""
    brain = case.images[0] > 0
    raw = case.images[:, brain].astype(np.float32)
    scores, labels = standardised(case)
    relative = raw / np.median(raw, axis=1, keepdims=True)
    found: dict[str, np.ndarray] = {}
    for index, name in enumerate(FEATURES):
        found[f"{name} raw"], found[f"{name} z"] = raw[index], scores[index]
        for second in range(index):
            pair = f"{name}-{FEATURES[second]}"
            found[f"{pair} raw"] = raw[index] - raw[second]
            found[f"{pair} z"] = scores[index] - scores[second]
            found[f"{pair} relative"] = relative[index] - relative[second]
            found[f"{pair} ratio"] = raw[index] / raw[second]
    return found, labels


def every_third_voxel(
    found: dict[str, np.ndarray], labels: np.ndarray
) -> tuple[dict[str, np.ndarray], np.ndarray]:
    return {name: values[::3] for name, values in found.items()}, labels[::3]


def best_interval(values: list[np.ndarray], masks: list[np.ndarray]) -> float:
    """Return the best mean Dice over cases of "low < value <= high", one pair of bounds for all."""
    inside = np.concatenate([value[mask] for value, mask in zip(values, masks, strict=True)])
    steps = np.linspace(0, 1, 50)
    pooled = np.concatenate([value[::5] for value in values])
    bounds = np.unique(np.concatenate([np.quantile(pooled, steps), np.quantile(inside, steps)]))
    total = np.zeros((bounds.size + 1, bounds.size + 1))
    for value, mask in zip(values, masks, strict=True):
        bins = np.searchsorted(bounds, value)
        below = np.cumsum(np.bincount(bins, minlength=bounds.size + 1))
        hits_below = np.cumsum(np.bincount(bins[mask], minlength=bounds.size + 1))
        predicted = below[None, :] - below[:, None]
        hit = hits_below[None, :] - hits_below[:, None]
        total += np.triu(2 * hit / np.maximum(predicted + mask.sum(), 1))
    return float(total.max() / len(values))


def test_the_search_finds_a_threshold_where_there_is_one() -> None:
    rng = np.random.default_rng(0)
    masks = [rng.random(500) < 0.2 for _ in range(3)]
    values = [np.where(mask, 5.0, rng.normal(0, 1, 500)) for mask in masks]
    assert best_interval(values, masks) > 0.98


def test_no_threshold_finds_the_core_or_the_rim(default_cases: Cases) -> None:
    seen = [every_third_voxel(*features(case)) for cases in default_cases.values() for case in cases]
    for region in ((1, 4), (4,)):
        masks = [np.isin(labels, region) for _, labels in seen]
        reached = {name: best_interval([found[name] for found, _ in seen], masks) for name in seen[0][0]}
        best = max(reached, key=lambda name: reached[name])
        assert reached[best] < 0.5, (region, best, reached[best])
        # The search itself works on these images: it beats painting the whole brain.
        assert reached[best] > 0.15
