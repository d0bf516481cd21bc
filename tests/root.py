"""Tests may run as root, as they do in containers; they then say what a person there has to say."""

from __future__ import annotations

import os
from typing import Final

IS_ROOT: Final = os.geteuid() == 0
ALLOW_ROOT: Final = ["--allow-root"] if IS_ROOT else []
