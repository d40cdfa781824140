"""The competition harness: command line, configuration, isolation, records and figures."""
