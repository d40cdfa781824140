"""How a predicted segmentation compares with its reference: counts, surfaces, a case's scores."""
