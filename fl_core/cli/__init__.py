"""The `fx` command line."""
