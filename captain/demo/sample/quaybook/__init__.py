"""Berth bookings, tariffs and invoices of a small harbour."""

__version__ = "1.4.0"
