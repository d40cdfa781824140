"""Task 2, federated evaluation: model packages, and what became of a package on a case."""
