"""What goes wrong with the demo."""


class DemoError(RuntimeError):
    """The demo cannot start or go on: what is wrong, and what to do about it."""
