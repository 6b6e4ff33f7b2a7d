"""What has seats in the sample network, in the form of POST /v1/layouts."""

from typing import Any

Layout = dict[str, Any]


def layout(name: str, rows: int, letters: str, deck: int = 0, step_free: int = 1) -> Layout:
    """Describe numbered seats, the first rows of them step-free, and then places on deck that are only counted."""
    seats = [
        {"id": f"{row}{letter}", "row": row, "column": column, "features": ["wheelchair"] if row <= step_free else []}
        for row in range(1, rows + 1)
        for column, letter in enumerate(letters, 1)
    ]
    places = [
        {"id": f"P{place + 1}", "row": rows + 1 + place // 10, "column": place % 10 + 1, "features": ["deck"]}
        for place in range(deck)
    ]
    return {"name": name, "seats": seats + places}


LAYOUTS = {
    "N9": layout("Night coach, 30 reclining seats", 10, "ABC"),
    "S1": layout("Shuttle bus, 32 seats", 8, "ABCD"),
    "F1": layout("Island ferry, 48 saloon seats and 132 places on deck", 8, "ABCDEF", deck=132),
    "F2": layout("Strait ferry, 80 saloon seats and 160 places on deck", 10, "ABCDEFGH", deck=160),
    "F3": layout("Hiddensee ship, 32 saloon seats and 68 places on deck", 8, "ABCD", deck=68),
    "F4": layout("Baltic ferry, 128 saloon seats and 72 places on deck", 16, "ABCDEFGH", deck=72),
}
"""By route; the others have the default coach."""
