"""Writes model.safetensors beside this file: first weights of the architecture that package.yaml names."""

from pathlib import Path

import yaml
from safetensors.numpy import save_file

from tasks.segmentation.network import initial_tensors


def main():
    """Build the network and save its tensors."""
    here = Path(__file__).resolve().parent
    network = yaml.safe_load((here / "package.yaml").read_text(encoding="utf-8"))["network"]
    save_file(initial_tensors(network, seed=0), here / "model.safetensors")


if __name__ == "__main__":
    main()
