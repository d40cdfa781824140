"""What is measured, and the programs that measure it: ``python -m benchmarks.NAME [--json FILE]``."""
