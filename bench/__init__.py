"""Measurements beside peers and limits, each run alone: python -m bench.NAME [--quick] [--json]."""
