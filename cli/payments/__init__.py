"""Play a card payment provider for development and tests."""
