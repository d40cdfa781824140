"""Writes model.onnx beside this file; run ``python export.py`` again after every change."""

from pathlib import Path

import torch


class BrightFlair(torch.nn.Module):
    """Logits of WT, TC and ET from the z-scores of t1, t1ce, t2 and flair: a convolution of one voxel."""

    def __init__(self):
        super().__init__()
        self.convolution = torch.nn.Conv3d(4, 3, kernel_size=1)
        with torch.no_grad():
            weights = torch.tensor([[0.0, 0.0, 0.5, 1.0], [-0.5, 0.5, 0.0, 1.0], [0.0, 1.5, 0.0, 0.5]])
            self.convolution.weight.copy_(weights.reshape(3, 4, 1, 1, 1))
            self.convolution.bias.copy_(torch.tensor([-1.5, -2.0, -2.5]))

    def forward(self, image):
        """Return logits (1, 3, z, y, x) of an image (1, 4, z, y, x)."""
        return self.convolution(image)


def main():
    """Export for the manifest's patch, weights inside the file."""
    torch.onnx.export(
        BrightFlair().eval(),
        (torch.zeros(1, 4, 32, 32, 32),),
        str(Path(__file__).with_name("model.onnx")),
        input_names=["image"],
        output_names=["logits"],
        dynamo=True,
        external_data=False,
        verbose=False,
    )


if __name__ == "__main__":
    main()
