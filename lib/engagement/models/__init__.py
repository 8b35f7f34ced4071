"""SQL models by layer, their documentation and checks, and the runner."""
