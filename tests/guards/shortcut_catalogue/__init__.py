"""Shortcuts and look-alikes, written for this project after what public reports describe.

`tuning` was looked at while the rules were made; `held_out` was written beforehand and only measured.
"""

from __future__ import annotations
