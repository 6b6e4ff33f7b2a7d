"""Where vehicles are: their positions as they report them, and what follows from these."""
