"""The loop on one machine: a shop in a browser, the collector, runs that follow."""
