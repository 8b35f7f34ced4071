"""A team's own repository: what is laid into it, and how a later version brings it up to date."""
