"""The faster half of the sites trains, and all of them every third round; small sites for two epochs.

Shows selection by time, configuration per site, and state that survives a resume.
Run it: challenge run task1 --submission examples/fastest_half.py
"""

import numpy as np

from tasks.task1_aggregation.strategy import RoundConfig, Strategy


class Submission(Strategy):
    momentum = 0.5
    resumes_from_state = True  # all that it remembers is in context.state

    def select_sites(self, context):
        if context.round % 3 == 0:
            return context.names
        times = {name: record.time_s for name, record in context.history[-1].sites.items()}
        return sorted(times, key=times.get)[: max(1, len(times) // 2)]

    def configure_round(self, context):
        largest = max(site.n_train for site in context.sites)
        return {
            name: RoundConfig(epochs=2 if context.site(name).n_train < largest / 2 else 1)
            for name in context.selected
        }

    def aggregate(self, context, model, updates):
        mean = super().aggregate(context, model, updates)
        result = dict(mean)
        for name, before in model.items():
            if np.issubdtype(before.dtype, np.floating):
                key = f"velocity/{name}"
                step = mean[name] - before
                if key in context.state:
                    step = step + np.float32(self.momentum) * context.state[key]
                context.state[key] = step
                result[name] = before + step
        return result
