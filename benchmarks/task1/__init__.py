"""FedAvg against pooled training and against each institution alone, through ``challenge run task1``."""
