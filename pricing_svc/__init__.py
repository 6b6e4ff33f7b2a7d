"""Fare policies and quotes: what a ride costs, and a signature on it."""
