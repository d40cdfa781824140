"""The plan, typed: the sections of the OpenFL paper's Fig. 4 (Reina et al. 2021)."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field, field_validator, model_validator

from fl_core.collaborator.settings import CollaboratorSettings, OptTreatment, TaskSpec


class Strict(BaseModel):
    """Unknown keys are errors; values cannot be changed after loading."""

    model_config = ConfigDict(extra="forbid", frozen=True)


class AggregatorSettings(Strict):
    """How the aggregator leads a federation.

    Attributes:
        rounds_to_train: Number of rounds.
        seed: The run's seed, from which every random choice of the federation derives.
        db_store_rounds: Rounds of tensors kept; -1 keeps all.
        best_metric: Metric of the global model's validation by which the best model is chosen.
        best_direction: Whether a higher or a lower value of it is better.
        min_updates: With fewer updates, a round leaves the model as it is.
        init_state_path: File of the initial model, relative to the workspace; of these three paths see
            `fl_core.plan.state_path`.
        best_state_path: File of the best model.
        last_state_path: File of the last model.
        aggregation: Dotted path of the aggregation function; none is the weighted mean.
        aggregation_settings: Arguments with which it is made.
        write_logs: Whether every round's metrics go to a file in ``logs/``.
    """

    rounds_to_train: int = Field(default=10, ge=1)
    seed: int = Field(default=0, ge=0)
    db_store_rounds: int = Field(default=2, ge=-1)
    best_metric: str = "accuracy"
    best_direction: Literal["higher", "lower"] = "higher"
    min_updates: int = Field(default=1, ge=1)
    init_state_path: str = "save/init.safetensors"
    best_state_path: str = "save/best.safetensors"
    last_state_path: str = "save/last.safetensors"
    aggregation: str | None = None
    aggregation_settings: dict[str, Any] = Field(default_factory=dict)
    write_logs: bool = True

    @field_validator("db_store_rounds")
    @classmethod
    def _keeps_something(cls, rounds: int) -> int:
        if rounds == 0:
            raise ValueError("keep at least 1 round, or -1 for all")
        return rounds


class CollaboratorSection(Strict):
    """What every collaborator does alike.

    Attributes:
        delta_updates: Whether a site sends ``trained - received`` instead of the whole model.
        opt_treatment: What becomes of an optimizer's state between rounds.
        shares_rows: Whether a site may send values per sample beside its means.
        shares_local_state: Whether a site may send what it keeps between rounds (its optimizer, tensors
            that stay local), so that another process can do its next job. Only simulations need it.
    """

    delta_updates: bool = False
    opt_treatment: OptTreatment = OptTreatment.RESET
    shares_rows: bool = False
    shares_local_state: bool = False


class NetworkSettings(Strict):
    """Where the aggregator is reached, and how connections are protected.

    Attributes:
        agg_addr: Host name or address; ``auto`` is the aggregator's own fully qualified name.
        agg_port: TCP port; ``auto`` derives it from the plan's hash, see `fl_core.plan.address`.
        hash_salt: Text that gives the same plan another port, for two federations on one host.
        tls: Whether connections are encrypted; a federation starts only if they are.
        require_client_auth: Whether a collaborator must show a certificate; likewise.
        cert_folder: The workspace's folder of keys and certificates; always ``cert``.
    """

    agg_addr: str = Field(default="auto", min_length=1)
    agg_port: Literal["auto"] | Annotated[int, Field(ge=1, le=65535)] = "auto"
    hash_salt: str = ""
    tls: bool = True
    require_client_auth: bool = True
    cert_folder: str = "cert"


class Section(Strict):
    """A section with a template (dotted path) and free settings.

    Attributes:
        defaults: File whose content stands under this section's own.
        template: What is built from the settings; none where the engine's own is meant.
        settings: Arguments of the template.
    """

    defaults: str | None = None
    template: str | None = None
    settings: dict[str, Any] = Field(default_factory=dict)


class AggregatorPart(Strict):
    """The section ``aggregator``."""

    defaults: str | None = None
    template: str | None = None
    settings: AggregatorSettings = AggregatorSettings()


class CollaboratorPart(Strict):
    """The section ``collaborator``."""

    defaults: str | None = None
    template: str | None = None
    settings: CollaboratorSection = CollaboratorSection()


class NetworkPart(Strict):
    """The section ``network``."""

    defaults: str | None = None
    template: str | None = None
    settings: NetworkSettings = NetworkSettings()


class Task(Strict):
    """A task: a function of the task runner and how it is applied."""

    function: Literal["train", "validate"]
    apply: Literal["global", "local"] = "global"
    kwargs: dict[str, Any] = Field(default_factory=dict)


class TasksPart(BaseModel):
    """The section ``tasks``: ``defaults``, and one entry for each task."""

    model_config = ConfigDict(extra="allow", frozen=True)

    defaults: str | None = None

    @model_validator(mode="before")
    @classmethod
    def _typed(cls, value: Any) -> Any:
        if not isinstance(value, dict):
            return value
        return {
            name: entry if name == "defaults" else Task.model_validate(entry) for name, entry in value.items()
        }

    @property
    def entries(self) -> dict[str, Task]:
        """The tasks by name."""
        return {name: task for name, task in (self.__pydantic_extra__ or {}).items()}


class Plan(Strict):
    """What all parties agree on before work begins."""

    aggregator: AggregatorPart = AggregatorPart()
    collaborator: CollaboratorPart = CollaboratorPart()
    data_loader: Section = Section()
    task_runner: Section = Section()
    network: NetworkPart = NetworkPart()
    assigner: Section = Section()
    tasks: TasksPart = TasksPart()
    compression_pipeline: Section = Section()
    straggler_policy: Section = Section()

    def collaborator_settings(self, seed: int | None = None) -> CollaboratorSettings:
        """Return what the collaborators need of the plan.

        Args:
            seed: The run's seed; by default the plan's own.
        """
        tasks = {
            name: TaskSpec(task.function, task.apply, task.kwargs)
            for name, task in self.tasks.entries.items()
        }
        settings = self.collaborator.settings
        seed = self.aggregator.settings.seed if seed is None else seed
        return CollaboratorSettings(tasks, seed, settings.opt_treatment, settings.delta_updates)
