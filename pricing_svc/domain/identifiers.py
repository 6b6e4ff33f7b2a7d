"""Identifiers are opaque, but short and printable: anything else names nothing."""

ID_CHARS_MAX = 64


def is_identifier(text: str) -> bool:
    """Tell whether a text may name something."""
    return 0 < len(text) <= ID_CHARS_MAX and text.isprintable()
