"""From landed lines to one table per event, with nothing lost."""
