"""The vocabulary of Captain: every noun once, without input or output."""
