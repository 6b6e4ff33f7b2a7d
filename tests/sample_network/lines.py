"""The lines of the sample network and when they run. All of this is invented, though a coach could drive it."""

from dataclasses import dataclass, field
from typing import Literal

COACH, SHUTTLE, FERRY = 200, 711, 4


@dataclass(frozen=True)
class At:
    """A call, by minutes after the start; without them it has no time of its own, and `passes` means no call at all."""

    place: str
    minutes: int | None = None
    stay: int = 0
    only: Literal["", "up", "down"] = ""
    passes: bool = False

    @property
    def stop_id(self) -> str:
        return self.place.replace(":", "-").lower()

    @property
    def key(self) -> str:
        return self.place.partition(":")[0]


@dataclass(frozen=True)
class Line:
    """Calls in one direction, and starts in both by service; a variant goes a part of the way or farther."""

    id: str
    kind: int
    name: str
    color: str
    calls: tuple[At, ...]
    out: dict[str, str]
    back: dict[str, str]
    variant: str = ""
    # By service: from, until and how many minutes apart.
    every: dict[str, tuple[tuple[str, str, int], ...]] = field(default_factory=dict)

    def reversed_calls(self) -> tuple[At, ...]:
        """Turn the line round: the same minutes from stop to stop, and who is only taken up is only set down."""
        whole = self.calls[-1].minutes or 0
        turned = {"up": "down", "down": "up", "": ""}
        return tuple(
            At(
                at.place,
                None if at.minutes is None else whole - at.minutes - at.stay,
                at.stay,
                turned[at.only],  # type: ignore[arg-type]
                at.passes,
            )
            for at in reversed(self.calls)
        )


LINES = (
    Line(
        "N1", COACH, "Hamburg - Kiel - Flensburg", "1F6FB2",
        (At("hamburg-zob:1", 0), At("neumuenster", 55, 2), At("kiel-zob:1", 95, 5), At("eckernfoerde", 135, 1),
         At("schleswig", 165, 2), At("flensburg-zob", 205)),
        {"daily": "07:00 09:00 11:00 13:00 15:00 17:00 19:00 21:00", "weekdays": "06:00 16:00"},
        {"daily": "06:30 08:30 10:30 12:30 14:30 16:30 18:30 20:30", "weekdays": "05:30 15:30"},
    ),
    Line(
        "N2", COACH, "Kiel - Plön - Eutin - Lübeck", "2E8B57",
        (At("kiel-zob:2", 0), At("preetz", 25, 1), At("ploen", 45, 1), At("eutin", 67, 2), At("luebeck-zob:1", 115)),
        {"daily": "07:15 10:15 13:15 16:15 19:15", "weekdays": "06:15 08:15 17:15", "weekend": "09:15 21:15"},
        {"daily": "06:45 09:45 12:45 15:45 18:45", "weekdays": "05:45 07:45 16:45", "weekend": "08:45 20:45"},
    ),
    Line(
        "N3", COACH, "Hamburg - Husum - Dagebüll", "8A5A00",
        (At("hamburg-zob:1", 0), At("itzehoe", 60, 2), At("heide", 105, 2), At("husum", 145, 5), At("bredstedt"),
         At("niebuell", 187, 2), At("dagebuell:Bus", 210)),
        {"daily": "06:45 08:45 10:45 12:45 14:45 16:45", "summer": "07:45 13:45"},
        {"daily": "07:30 09:30 11:30 13:30 15:30 17:30 19:30", "summer": "12:30 18:30"},
    ),
    Line(
        "N4", COACH, "Hamburg - Lübeck - Wismar - Rostock", "B3202A",
        (At("hamburg-zob:2", 0), At("luebeck-zob:2", 60, 5), At("wismar", 130, 3), At("doberan", 180, 1),
         At("rostock-zob:1", 210)),
        {"daily": "06:00 08:00 10:00 12:00 14:00 16:00 18:00 20:00", "weekdays": "07:00 15:00 17:00",
         "weekend": "11:00 22:00"},
        {"daily": "06:00 08:00 10:00 12:00 14:00 16:00 18:00 20:00", "weekdays": "05:00 07:00 15:00",
         "weekend": "11:00 21:00"},
    ),
    Line(
        "N5", COACH, "Rostock - Stralsund - Sassnitz", "6A3FA0",
        (At("rostock-zob:2", 0), At("ribnitz", 40, 1), At("loebnitz"), At("stralsund-zob", 95, 5), At("samtens"),
         At("bergen", 140, 2), At("sagard"), At("sassnitz", 175)),
        {"daily": "06:30 08:30 10:30 12:30 14:30 16:30 18:30 20:30"},
        {"daily": "05:30 07:30 09:30 11:30 13:30 15:30 17:30 19:30"},
    ),
    Line(
        "N5", COACH, "Rostock - Stralsund - Sassnitz", "6A3FA0",
        (At("stralsund-zob", 0), At("samtens"), At("bergen", 40, 2), At("sagard"), At("sassnitz", 75, 2),
         At("mukran:Bus", 87)),
        {"summer": "06:00", "summer-weekend": "15:00"},
        {"summer": "16:30", "summer-weekend": "20:45"},
        variant="port",
    ),
    Line(
        "N6", COACH, "Hamburg - Lübeck - Fehmarn", "C2571A",
        (At("hamburg-zob:3", 0), At("luebeck-zob:3", 60, 5), At("neustadt", 95, 1), At("oldenburg"),
         At("heiligenhafen", 132, 2), At("burg", 154, 2), At("puttgarden:Bus", 167)),
        {"daily": "07:30 09:30 11:30 13:30 15:30 17:30", "summer": "06:30 10:30", "weekend": "19:30"},
        {"daily": "06:20 08:20 10:20 13:20 15:20 17:20 19:20", "summer": "11:20 18:20"},
    ),
    Line(
        "N9", COACH, "Night coach Hamburg - Rügen", "20305A",
        (At("hamburg-zob:2", 0, only="up"), At("luebeck-zob:2", 65, 5, only="up"), At("rostock-zob:3", 160, 10),
         At("ribnitz", passes=True), At("loebnitz", passes=True), At("stralsund-zob", 245, 5, only="down"),
         At("samtens", passes=True), At("bergen", 290, 2, only="down"), At("binz", 312, only="down")),
        {"daily": "22:45", "friday-saturday": "24:15"},
        {"daily": "21:30", "friday-saturday": "23:40"},
    ),
    Line(
        "S1", SHUTTLE, "Beach shuttle Rostock - Warnemünde", "00829B",
        (At("rostock-zob:3", 0), At("rostock-lange-strasse", 6), At("rostock-reutershagen", 15),
         At("rostock-luetten-klein", 24), At("warnemuende", 35)),
        {}, {},
        every={
            "daily": (("06:00", "10:00", 30), ("10:00", "20:00", 40), ("20:00", "24:00", 60)),
            "hanse-sail": (("24:00", "26:00", 20),),
        },
    ),
    Line(
        "F1", FERRY, "Dagebüll - Föhr - Amrum", "0A5C8F",
        (At("dagebuell:Quay", 0), At("wyk", 50, 15), At("wittduen", 125)),
        {"daily": "07:00 09:00 11:00 13:00 15:00 17:00 19:00", "summer": "08:00 10:00 12:00 14:00 16:00 20:30"},
        {"daily": "06:30 08:30 10:30 12:30 14:30 16:30 18:30", "summer": "07:30 09:30 13:30 15:30 17:30"},
    ),
    Line(
        "F2", FERRY, "Puttgarden - Rødby", "0A5C8F",
        (At("puttgarden:Quay", 0), At("roedby", 45)),
        {"daily": "02:15 06:15 07:15 08:15 09:15 10:15 11:15 12:15 13:15 14:15 15:15 16:15 17:15 18:15 19:15 20:15 "
         "21:15 22:15 23:15"},
        {"daily": "03:45 06:15 07:15 08:15 09:15 10:15 11:15 12:15 13:15 14:15 15:15 16:15 17:15 18:15 19:15 20:15 "
         "21:15 22:15 23:15"},
    ),
    Line(
        "F3", FERRY, "Hiddensee: Schaprode - Neuendorf - Vitte - Kloster", "0A5C8F",
        (At("schaprode", 0), At("neuendorf", 30, 5), At("vitte", 60, 5), At("kloster", 80)),
        {"summer": "07:10 09:10 10:40 12:10 14:10 16:10 18:40", "winter": "08:15 11:15 14:45 17:15"},
        {"summer": "06:00 08:40 10:40 12:10 14:10 16:10 18:10", "winter": "06:45 09:45 13:15 16:15"},
    ),
    Line(
        "F3", FERRY, "Hiddensee: Schaprode - Neuendorf - Vitte - Kloster", "0A5C8F",
        (At("stralsund-hafen", 0), At("neuendorf", 95, 5), At("vitte", 125, 5), At("kloster", 145)),
        {"summer": "09:00 13:15 17:30"},
        {"summer": "06:20 10:50 15:30"},
        variant="stralsund",
    ),
    Line(
        "F4", FERRY, "Sassnitz - Bornholm", "0A5C8F",
        (At("mukran:Quay", 0), At("roenne", 200)),
        {"summer": "08:00", "summer-weekend": "17:00"},
        {"summer": "12:30", "summer-weekend": "21:00"},
    ),
)  # fmt: skip

ROUTE_FARES = {"S1": "3.20", "F1": "9.80", "F2": "8.50", "F3": "13.50", "F4": "29.00"}
"""Euros for the whole line or any part of it; on coaches the towns' zones and the way between them count."""
