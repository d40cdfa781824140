"""What a frozen plan means for those who take part."""

from __future__ import annotations

from fl_core.federation.terms import Terms
from fl_core.plan.build import aggregation_of, assigner_of, exchange_of, straggler_policy_of
from fl_core.plan.schema import Plan


def terms_of(plan: Plan, plan_hash: str, source: str = "the plan") -> Terms:
    """Return the lead's terms, with the plan's parts built.

    Args:
        plan: The plan.
        plan_hash: Its hash when it was frozen.
        source: Its file, for messages.

    Raises:
        PlanError: A part cannot be built.
    """
    settings = plan.aggregator.settings
    return Terms(
        plan_hash=plan_hash,
        rounds=settings.rounds_to_train,
        collaborator=plan.collaborator_settings(),
        assigner=assigner_of(plan, source),
        aggregation=aggregation_of(plan, source),
        straggler=straggler_policy_of(plan, source),
        min_updates=settings.min_updates,
        best_metric=settings.best_metric,
        best_direction=settings.best_direction,
        db_store_rounds=settings.db_store_rounds,
        compression=exchange_of(plan, source),
    )
