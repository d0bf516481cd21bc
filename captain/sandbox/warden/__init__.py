"""The warden: one small process beside each box, which makes its walls and starts its commands.

Its modules run in an interpreter of their own, started with nothing but the standard library and as few of its
modules as possible: that interpreter's start is most of what opening a box costs (8 ms bare; `json`, `socket`
and `typing` would each add 6 to 15). Nothing an agent wrote ever runs in it.
"""
