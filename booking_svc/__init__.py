"""Timetable, vehicles and layouts, seats, bookings and payments."""
