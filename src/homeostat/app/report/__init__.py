"""The analysis report: one HTML file that needs nothing else, made from the same records as the JSON."""
