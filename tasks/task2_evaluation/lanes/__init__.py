"""The kinds of model packages, one a file; a new kind is a file and a line in the registry."""
