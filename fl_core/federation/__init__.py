"""A federation over real sites: the lead, its members, and what both keep on disk."""
