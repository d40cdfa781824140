"""The code of this workspace: every party of the federation runs it."""
