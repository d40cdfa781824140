"""What a ranking with its uncertainty costs, beside a plain implementation of the same resamples."""
