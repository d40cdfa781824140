"""Training and validation of a segmentation network at a site."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor, nn

from fl_core.errors import InputError
from fl_core.seeding import generator
from fl_core.task_runner.base import TaskContext, TaskOutput
from fl_core.task_runner.pytorch import OptimizerFactory, PyTorchTaskRunner
from partitions.case import MODALITIES
from tasks.segmentation import recipe
from tasks.segmentation.entry import Entry, open_entry
from tasks.segmentation.evaluation import case_row, hard_dice, label_distances, means, soft_label_dice
from tasks.segmentation.inference import region_logits, region_probabilities, segment
from tasks.segmentation.loss import region_loss
from tasks.segmentation.network import build
from tasks.segmentation.patches import CaseOutline, PatchPlan, cut, outline, plan_patches
from tasks.segmentation.regions import REGIONS, to_regions
from tasks.segmentation.work import batches

SPLITS = ("train", "validate", "test")


class SegmentationSource:
    """The sites of a process: one resident network, the data of one site at a time.

    Args:
        settings: Plain values, as `open_source` takes them.
    """

    def __init__(self, settings: Mapping[str, Any]) -> None:
        self._sites: Mapping[str, Mapping[str, list[str]]] = settings["sites"]
        self.training = recipe.training_settings(settings.get("training"))
        self.device = str(settings.get("device", "cpu"))
        network = recipe.network_settings(settings.get("network"))
        self.network = build(network, int(settings.get("seed", 0))).to(self.device)
        self._entries: dict[str, Entry] = {}
        self._outlines: dict[str, CaseOutline] = {}

    def open(self, site: str) -> SegmentationRunner:
        """Return the runner of a site, with a fresh optimizer; its model is whatever was loaded last.

        Raises:
            InputError: The site or one of its cases is not known.
        """
        if site not in self._sites:
            raise InputError(f"site {site!r} has no data here; known are {', '.join(sorted(self._sites))}")
        splits = {name: [self.entry(path) for path in self._sites[site].get(name, [])] for name in SPLITS}
        return SegmentationRunner(self, splits)

    def entry(self, folder: str) -> Entry:
        """Return a case, opened once; its arrays stay mapped, the operating system keeps what is used."""
        if folder not in self._entries:
            self._entries[folder] = open_entry(Path(folder))
        return self._entries[folder]

    def outline(self, entry: Entry) -> CaseOutline:
        """Return a case's outline, made once."""
        key = str(entry.folder)
        if key not in self._outlines:
            self._outlines[key] = outline(entry.cropped_labels)
        return self._outlines[key]


class SegmentationRunner(PyTorchTaskRunner):
    """One site's training and validation.

    Args:
        source: Holds the network and the open cases.
        splits: The site's cases by split: ``train``, ``validate``, ``test``.
    """

    def __init__(self, source: SegmentationSource, splits: Mapping[str, list[Entry]]) -> None:
        self._source = source
        self._splits = splits
        training = source.training
        self._weights = torch.tensor(training["region_weights"], dtype=torch.float32, device=source.device)
        super().__init__(source.network, _optimizer(training), clip_norm=training["clip_norm"])

    @property
    def train_size(self) -> int:
        """How many training cases the site has."""
        return len(self._splits["train"])

    def train(self, context: TaskContext) -> TaskOutput:
        """Train as the context's settings say; what they leave open is the recipe's.

        Settings: ``learning_rate``, ``epochs`` or ``batches``, ``proximal_mu``.

        Returns:
            ``loss`` and ``train_dice`` (soft, mean of the regions), means over the batches.

        Raises:
            InputError: A setting cannot be, or the site has no training cases.
        """
        given = {key: value for key, value in context.settings.items() if value is not None}
        settings = {**self._source.training, **given}
        if "epochs" in given and "batches" not in given:
            settings.pop("batches", None)  # the round's own amount of work wins over the configuration's
        try:
            settings["batches"] = batches(self.train_size, settings)
        except ValueError as error:
            raise InputError(f"site {context.site}, round {context.round}: {error}") from error
        return super().train(TaskContext(context.seed, context.site, context.round, settings, context.extras))

    def train_batches(self, context: TaskContext) -> Iterator[tuple[Tensor, Tensor]]:
        """Yield (images, region masks); which patches follows from seed, site and round alone."""
        training, size = context.settings, int(context.settings["batch_size"])
        entries = self._splits["train"]
        patch = _size(training["patch"])
        plans = plan_patches(
            [self._source.outline(entry) for entry in entries],
            int(training["batches"]) * size,
            patch=patch,
            tumour_fraction=float(training["tumour_fraction"]),
            flips=_axes(training["flips"]),
            gain=float(training["gain"]),
            shift=float(training["shift"]),
            modalities=len(MODALITIES),
            rng=generator(context.seed, "patches", context.site, context.round),
        )
        for first in range(0, len(plans), size):
            yield self._batch(entries, plans[first : first + size], patch)

    def loss(self, batch: tuple[Tensor, Tensor]) -> tuple[Tensor, Mapping[str, float]]:
        """Return the batch's loss and ``train_dice``."""
        images, masks = batch
        loss, dice = region_loss(self.network(images), masks, self._weights)
        return loss, {"train_dice": float(dice.mean())}

    def learning_rate(self, context: TaskContext, step: int) -> float:
        """Return the rate of a step: a rise over ``warmup_steps``, then a straight fall.

        The last step of the round has about ``cooldown`` times the round's rate: sites that end their round
        with small steps end in the middle of their valley, and such models average better.
        """
        settings = context.settings
        rise = min(1.0, (step + 1) / (int(settings["warmup_steps"]) + 1))
        fall = 1 - (1 - float(settings["cooldown"])) * step / int(settings["batches"])
        return float(settings["learning_rate"]) * rise * fall

    def validate(self, context: TaskContext) -> TaskOutput:
        """Measure the model on whole cases.

        Settings: ``split`` (``validate`` by default, ``test``, or ``train``), ``hausdorff`` and ``rows``.

        Returns:
            Means over the cases of ``valid_loss``, ``dice`` and ``dice_{wt,tc,et}`` (hard), ``valid_dice``
            and ``valid_dice_per_label_{0,1,2,4}`` (soft, as FeTS 2022); with ``hausdorff`` also
            ``hd95_{wt,tc,et}`` and ``valid_hd95_per_label_{0,1,2,4}``; with ``rows`` a row per case.

        Raises:
            InputError: The split is unknown or the site has no case in it.
        """
        settings = context.settings
        split = str(settings.get("split") or "validate")
        if split not in SPLITS:
            raise InputError(f"split {split!r} is not known; choose one of {', '.join(SPLITS)}")
        entries = self._splits[split]
        if not entries:
            raise InputError(f"site {context.site} has no case to {split}; give it at least one")
        rows: list[dict[str, Any]] = []
        values: list[dict[str, float]] = []
        for entry in entries:
            measured, prediction = self._measure(entry)
            reference = np.asarray(entry.labels)
            if settings.get("rows") or settings.get("hausdorff"):
                row = case_row(entry.case, reference, prediction, entry.spacing)
                rows.append(row)
                if settings.get("hausdorff"):
                    measured |= {f"hd95_{region}": row[f"hd95_{region}"] for region in REGIONS}
                    measured |= label_distances(reference, prediction, entry.spacing)
            values.append(measured)
        return TaskOutput(means(values), len(entries), tuple(rows) if settings.get("rows") else ())

    def _measure(self, entry: Entry) -> tuple[dict[str, float], npt.NDArray[np.uint8]]:
        logits = region_logits(self.network, entry.image, device=self._source.device)
        masks = torch.from_numpy(to_regions(entry.cropped_labels).astype(np.float32))
        loss, _ = region_loss(logits[None], masks[None], self._weights.cpu())
        probabilities = region_probabilities(logits)
        labels = np.asarray(entry.labels)
        prediction = segment(probabilities, labels.shape, entry.offset)
        outside = labels.size - probabilities[0].size
        measured = {"valid_loss": float(loss)}
        measured |= hard_dice(labels, prediction)
        measured |= soft_label_dice(entry.cropped_labels, probabilities, outside)
        return measured, prediction

    def _batch(
        self, entries: list[Entry], plans: list[PatchPlan], patch: tuple[int, int, int]
    ) -> tuple[Tensor, Tensor]:
        pieces = [
            cut(entries[plan.case].image, entries[plan.case].cropped_labels, plan, patch) for plan in plans
        ]
        images, masks = (torch.from_numpy(np.stack(part)) for part in zip(*pieces, strict=True))
        images = images.to(self._source.device, memory_format=torch.channels_last_3d)
        return images, masks.to(self._source.device)


def open_source(settings: Mapping[str, Any]) -> SegmentationSource:
    """Open the data and the network of a process; every site that it serves shares the network.

    Sets PyTorch to one thread, so that sums have one order, in this process for good.

    Args:
        settings: ``sites``: by name, lists of cache folders under ``train``, ``validate`` and ``test``;
            ``network`` and ``training``: what differs from `tasks.segmentation.recipe`; ``device``;
            ``seed`` of the initial weights.

    Raises:
        InputError: A network or a setting that is not known.
    """
    compute_alike(str(settings.get("device", "cpu")))
    return SegmentationSource(settings)


def compute_alike(device: str) -> None:
    """Set PyTorch so that the same work has the same bytes, in this process for good."""
    torch.set_num_threads(1)
    if device != "cpu":
        torch.backends.cudnn.deterministic = True
        torch.backends.cudnn.benchmark = False


def _optimizer(training: Mapping[str, Any]) -> OptimizerFactory:
    rate = float(training["learning_rate"])

    def make(parameters: Iterable[nn.Parameter]) -> torch.optim.Optimizer:
        if training["optimizer"] == "adam":
            return torch.optim.Adam(parameters, lr=rate)
        if training["optimizer"] == "sgd":
            return torch.optim.SGD(parameters, lr=rate, momentum=0.9, nesterov=True)
        raise InputError(f"training.optimizer: {training['optimizer']!r} is not known; choose adam or sgd")

    return make


def _axes(value: Iterable[bool]) -> tuple[bool, bool, bool]:
    z, y, x = (bool(mirrored) for mirrored in value)
    return z, y, x


def _size(value: Iterable[int]) -> tuple[int, int, int]:
    z, y, x = (int(edge) for edge in value)
    return z, y, x
