"""A collector for a laptop: RudderStack's data plane as its clients see it, landing files locally.

Production is RudderStack's own data plane. This one has its addresses and its answers, and writes
what it took in as Firehose would land it, so that a shop on this machine can feed the notebooks.
"""
