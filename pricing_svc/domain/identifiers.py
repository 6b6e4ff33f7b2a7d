"""Identifiers are opaque, but short and printable: anything else names nothing."""

ID_CHARS_MAX = 64


def is_identifier(text: str, *, most: int = ID_CHARS_MAX) -> bool:
    """Tell whether a text may name something."""
    return 0 < len(text) <= most and text.isprintable()
