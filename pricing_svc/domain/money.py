"""Amounts of money are whole numbers of the currency's smallest unit; this is the only place that rounds one."""

MINOR_MAX = 10**9
"""The largest amount that a fare policy may name."""


def round_half_up(numerator: int, denominator: int, *, multiple: int) -> int:
    """Round numerator / denominator to the nearest multiple, halves upwards."""
    step = denominator * multiple
    return (2 * numerator + step) // (2 * step) * multiple
