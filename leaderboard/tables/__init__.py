"""Tables that people and programs read, from rankings and what is known about them."""
