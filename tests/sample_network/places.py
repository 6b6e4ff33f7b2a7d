"""Where the lines of the sample network stop. Towns, stations and quays are real; what stops there is invented."""

from dataclasses import dataclass, field


@dataclass(frozen=True)
class Place:
    """A stop; with platforms it is a station, and they are its stops: code, metres north and metres east of it."""

    name: str
    latitude: float
    longitude: float
    zone: str
    platforms: dict[str, tuple[float, float]] = field(default_factory=dict)


ROW = {"1": (-12.0, -18.0), "2": (0.0, 0.0), "3": (12.0, 18.0)}
QUAY_AND_COACH = {"Bus": (-110.0, -60.0), "Quay": (120.0, 90.0)}

PLACES = {
    "hamburg-zob": Place("Hamburg ZOB", 53.5517, 10.0113, "HH", ROW),
    "neumuenster": Place("Neumünster ZOB", 54.0757, 9.9811, "NMS"),
    "kiel-zob": Place("Kiel ZOB", 54.3166, 10.1303, "KI", {"1": ROW["1"], "2": ROW["2"]}),
    "eckernfoerde": Place("Eckernförde Bahnhof", 54.4699, 9.8352, "ECK"),
    "schleswig": Place("Schleswig ZOB", 54.5178, 9.5665, "SL"),
    "flensburg-zob": Place("Flensburg ZOB", 54.7874, 9.4352, "FL"),
    "preetz": Place("Preetz Bahnhof", 54.2359, 10.2768, "PLO"),
    "ploen": Place("Plön Bahnhof", 54.1590, 10.4158, "PLO"),
    "eutin": Place("Eutin Bahnhof", 54.1350, 10.6105, "EUT"),
    "luebeck-zob": Place("Lübeck ZOB", 53.8664, 10.6698, "HL", ROW),
    "itzehoe": Place("Itzehoe ZOB", 53.9243, 9.5128, "IZ"),
    "heide": Place("Heide ZOB", 54.1935, 9.0905, "HEI"),
    "husum": Place("Husum ZOB", 54.4735, 9.0565, "HUS"),
    "bredstedt": Place("Bredstedt", 54.6187, 8.9660, "HUS"),
    "niebuell": Place("Niebüll ZOB", 54.7872, 8.8325, "NIE"),
    "dagebuell": Place("Dagebüll Mole", 54.7301, 8.6900, "NIE", {"Bus": (30.0, 120.0), "Quay": (-40.0, -40.0)}),
    "wyk": Place("Wyk auf Föhr, Hafen", 54.6934, 8.5775, "ISL"),
    "wittduen": Place("Wittdün auf Amrum", 54.6318, 8.4022, "ISL"),
    "wismar": Place("Wismar ZOB", 53.8962, 11.4682, "HWI"),
    "doberan": Place("Bad Doberan Bahnhof", 54.1050, 11.9058, "DBR"),
    "rostock-zob": Place("Rostock ZOB", 54.0772, 12.1318, "HRO", ROW),
    "rostock-lange-strasse": Place("Rostock Lange Straße", 54.0892, 12.1325, "HRO"),
    "rostock-reutershagen": Place("Rostock Reutershagen", 54.0972, 12.0805, "HRO"),
    "rostock-luetten-klein": Place("Rostock Lütten Klein", 54.1372, 12.0595, "HRO"),
    "warnemuende": Place("Warnemünde Leuchtturm", 54.1808, 12.0856, "HRO"),
    "ribnitz": Place("Ribnitz-Damgarten", 54.2428, 12.4330, "RDG"),
    "loebnitz": Place("Löbnitz (Vorpommern)", 54.2954, 12.7190, "RDG"),
    "stralsund-zob": Place("Stralsund ZOB", 54.3090, 13.0850, "HST"),
    "stralsund-hafen": Place("Stralsund Hafen, Fährbrücke", 54.3172, 13.0990, "HST"),
    "samtens": Place("Samtens", 54.3548, 13.2925, "RUG"),
    "bergen": Place("Bergen auf Rügen, Busbahnhof", 54.4163, 13.4235, "RUG"),
    "sagard": Place("Sagard", 54.5256, 13.5545, "RUG"),
    "sassnitz": Place("Sassnitz Busbahnhof", 54.5166, 13.6392, "RUG"),
    "mukran": Place("Sassnitz Fährhafen Mukran", 54.4810, 13.5865, "RUG", QUAY_AND_COACH),
    "binz": Place("Ostseebad Binz", 54.4012, 13.6050, "RUG"),
    "schaprode": Place("Schaprode Hafen", 54.5146, 13.1642, "ISL"),
    "neuendorf": Place("Neuendorf (Hiddensee)", 54.5253, 13.0938, "ISL"),
    "vitte": Place("Vitte (Hiddensee)", 54.5672, 13.1108, "ISL"),
    "kloster": Place("Kloster (Hiddensee)", 54.5837, 13.1118, "ISL"),
    "roenne": Place("Rønne Havn", 55.0970, 14.6913, "BOR"),
    "neustadt": Place("Neustadt in Holstein ZOB", 54.1060, 10.8120, "NEU"),
    "oldenburg": Place("Oldenburg in Holstein", 54.2925, 10.8850, "OLD"),
    "heiligenhafen": Place("Heiligenhafen", 54.3705, 10.9790, "OLD"),
    "burg": Place("Burg auf Fehmarn", 54.4378, 11.1925, "FEH"),
    "puttgarden": Place("Puttgarden Fährbahnhof", 54.5030, 11.2270, "FEH", QUAY_AND_COACH),
    "roedby": Place("Rødbyhavn Færge", 54.6535, 11.3488, "ROD"),
}
