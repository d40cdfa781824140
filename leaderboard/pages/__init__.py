"""The board as static pages: no server, no network, every page a file of its own."""
