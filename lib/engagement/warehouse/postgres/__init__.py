"""PostgreSQL, over the tables that RudderStack loads into it."""
