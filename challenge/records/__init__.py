"""Where every number came from: signing keys, the signed record, its verification, comparison of runs."""
