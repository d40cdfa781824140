"""A federation on one machine: sites hosted by processes of our own, over real connections."""
