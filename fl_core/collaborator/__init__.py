"""The collaborator: one site's side of a federation."""
