"""How fast the page of a full board loads and sorts in a browser."""
