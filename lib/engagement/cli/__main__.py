"""``python -m engagement.cli``."""

from engagement.cli import main

if __name__ == "__main__":  # 'engagement mcp' starts a process that imports this module again
    main()
