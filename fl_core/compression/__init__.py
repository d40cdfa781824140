"""How tensors are made smaller on their way: a codec a file, and who compresses what against which base."""
