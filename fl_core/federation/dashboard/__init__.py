"""What an operator sees of a federation: a table on a terminal, plain lines, numbers for Prometheus."""
