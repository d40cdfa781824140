"""Figures as SVG in the page: colours from its style sheet, so that they follow light and dark."""
