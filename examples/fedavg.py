"""FedAvg in three functions: everyone trains for one epoch, the mean is weighted by training cases.

Run it: challenge run task1 --submission examples/fedavg.py
"""

from tasks.task1_aggregation.strategy import RoundConfig


def select_sites(context):
    return context.names


def configure_round(context):
    return RoundConfig(epochs=1)


def aggregate(context, model, updates):
    return {name: sum(update.weight * update.tensors[name] for update in updates) for name in model}
