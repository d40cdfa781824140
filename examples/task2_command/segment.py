"""Reads DATA/CASE/CASE_brain_{t1,t1ce,t2,flair}.nii.gz and writes OUTPUT/CASE.nii.gz, labels 0, 1, 2, 4."""

import argparse
from pathlib import Path

import numpy as np
import SimpleITK


def segment(flair, t1ce):
    """Return labels by thresholds on two modalities' z-scores."""
    whole = z_scores(flair) > 1.0
    labels = np.where(whole, 2, 0).astype(np.uint8)
    labels[whole & (z_scores(t1ce) > 1.0)] = 4
    return labels


def z_scores(image):
    """Return an image with mean 0 and deviation 1 in the brain, which is where it is not 0."""
    inside = image[image != 0]
    return np.where(image != 0, (image - inside.mean()) / (inside.std() + 1e-6), 0.0)


def main():
    """Segment every case of the input folder."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--data_path", type=Path, required=True)
    parser.add_argument("--output_path", type=Path, required=True)
    options = parser.parse_args()
    for folder in sorted(options.data_path.iterdir()):
        flair = SimpleITK.ReadImage(str(folder / f"{folder.name}_brain_flair.nii.gz"))
        t1ce = SimpleITK.ReadImage(str(folder / f"{folder.name}_brain_t1ce.nii.gz"))
        labels = segment(SimpleITK.GetArrayFromImage(flair), SimpleITK.GetArrayFromImage(t1ce))
        mask = SimpleITK.GetImageFromArray(labels)
        mask.CopyInformation(flair)  # the same grid, or the case counts as `geometry`
        SimpleITK.WriteImage(mask, str(options.output_path / f"{folder.name}.nii.gz"), useCompression=True)


if __name__ == "__main__":
    main()
