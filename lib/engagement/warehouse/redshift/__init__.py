"""Redshift, over the tables that RudderStack loads into it: its SQL, not run on Redshift yet."""
