"""Raw files as Firehose lands them: reading, inventory, and the sample generator."""
