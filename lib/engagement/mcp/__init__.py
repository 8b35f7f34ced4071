"""A read-only Model Context Protocol server: what an assistant may know of the warehouse."""
