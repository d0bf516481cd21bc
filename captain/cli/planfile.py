"""A plan as a file a person can edit: TOML with comments that explain it, and back.

What cannot be read back is said with the line and the key; whether the plan keeps the rules is not decided here.
"""

from __future__ import annotations

import difflib
import json
import re
import tomllib
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, Final

from captain.core import codec
from captain.core.errors import UsageError
from captain.core.tasks import Criterion, Plan, RequestItem, Task

_HEAD: Final = """\
# The plan, to be edited. Save and leave the editor to have it taken; it is held to the same rules as the Captain's.
# Leave it as it is, or empty, to be asked again.
#
# kind      change, or fix, which rests on a diagnosis
# brief     all that the Build agent is told
# paths     what may change, as .gitignore patterns; forbid and protect take from it
# covers    the items of the request that a criterion serves
# A criterion has a check, by its name, or evidence that a reviewer has to cite.
"""
_KEYS: Final[Mapping[str, tuple[str, ...]]] = {
    "plan": ("summary", "task", "declined"),
    "task": ("id", "title", "kind", "brief", "depends_on", "diagnosis", "scope", "criterion", "check"),
    "scope": ("paths", "forbid", "protect", "symbols", "max_files", "max_lines", "kinds"),
    "criterion": ("id", "text", "check", "evidence", "covers"),
    "check": ("name", "command"),
    "declined": ("item", "reason"),
}
_AT_LINE: Final = re.compile(r"line (\d+)")


def write_plan(plan: Plan, items: Sequence[RequestItem] = (), problems: Sequence[str] = ()) -> str:
    """The text of the file; `problems` say why the last edit was not taken."""
    return "\n".join([*_comments(items, problems), *_plan(plan)]) + "\n"


def _comments(items: Sequence[RequestItem], problems: Sequence[str]) -> Iterator[str]:
    if problems:
        yield "# Not taken:"
        yield from (f"#   {_one_line(problem)}" for problem in problems)
        yield "#"
    yield from _HEAD.splitlines()
    if items:
        yield "#"
        yield "# The items of the request:"
        yield from (f"#   {_one_line(item.id)}  {_one_line(item.text)}" for item in items)
    yield ""


def _plan(plan: Plan) -> Iterator[str]:
    yield f"summary = {_text(plan.summary)}"
    for task in plan.tasks:
        yield from _task(task)
    for item, reason in plan.declined:
        yield from ("", "[[declined]]", f"item = {_text(item)}", f"reason = {_text(reason)}")


def _task(task: Task) -> Iterator[str]:
    scope = task.scope
    yield from ("", "[[task]]", f"id = {_text(task.id)}", f"title = {_text(task.title)}", f"kind = {_text(task.kind)}")
    yield f"brief = {_long(task.brief)}"
    yield f"depends_on = {_list(task.depends_on)}"
    if task.diagnosis is not None:
        yield f"diagnosis = {_text(task.diagnosis)}"
    yield from ("", "[task.scope]", f"paths = {_list(scope.paths)}")
    for name in ("forbid", "protect", "symbols"):
        if value := getattr(scope, name):
            yield f"{name} = {_list(value)}"
    for name in ("max_files", "max_lines"):
        if (number := getattr(scope, name)) is not None:
            yield f"{name} = {number}"
    yield f"kinds = {_list(scope.kinds)}"
    for criterion in task.criteria:
        yield from _criterion(criterion)
    for check in task.checks:
        yield from ("", "[[task.check]]", f"name = {_text(check.name)}", f"command = {_text(check.command)}")


def _criterion(criterion: Criterion) -> Iterator[str]:
    yield from ("", "[[task.criterion]]", f"id = {_text(criterion.id)}", f"text = {_text(criterion.text)}")
    if criterion.check is not None:
        yield f"check = {_text(criterion.check)}"
    if criterion.evidence is not None:
        yield f"evidence = {_text(criterion.evidence)}"
    yield f"covers = {_list(criterion.covers)}"


def _text(value: str) -> str:
    """A basic string of TOML, which is one of JSON but for DEL and halves of a character."""
    sound = value.encode("utf-8", "replace").decode()
    return json.dumps(sound, ensure_ascii=False).replace("\x7f", "\\u007f")


def _long(value: str) -> str:
    """On several lines where it has them."""
    if "\n" not in value:
        return _text(value)
    lines = [_text(line)[1:-1] for line in value.split("\n")]
    return '"""\n' + "\n".join(lines) + '"""'


def _list(values: Sequence[str]) -> str:
    return "[" + ", ".join(map(_text, values)) + "]"


def _one_line(text: str) -> str:
    return " ".join("".join(char if char.isprintable() else " " for char in text).split())


def read_plan(text: str) -> Plan:
    """Raises `UsageError`, which names the line and the key."""
    try:
        content = tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        raise UsageError(f"The plan is not valid TOML: {error}.", hint=_shown_line(text, str(error))) from error
    _know(text, content)
    form = {
        "summary": content.get("summary"),
        "tasks": [_as_task(task) for task in content.get("task", [])],
        "declined": [[one.get("item"), one.get("reason")] for one in content.get("declined", [])],
    }
    try:
        return codec.from_json(Plan, json.dumps(form))
    except ValueError as error:
        raise UsageError(_explained(text, error), hint="Mend it there, or leave the plan as it was.") from error


def _as_task(task: dict[str, Any]) -> dict[str, Any]:
    form = {key: value for key, value in task.items() if key not in ("criterion", "check")}
    criteria = task.get("criterion", [])
    numbered = [{"id": f"{task.get('id')}.{n}", **criterion} for n, criterion in enumerate(criteria, 1)]
    return {**form, "criteria": numbered, "checks": task.get("check", [])}


def _know(text: str, content: dict[str, Any]) -> None:
    """Raises for a key that no plan has, and for a value where a table is wanted."""
    _known(text, "plan", content, 0)
    for table in ("task", "declined"):
        for number, entry in enumerate(_tables(text, content, table, 0), 1):
            _known(text, table, entry, number)
            if table == "task":
                scope = entry.get("scope", {})
                if not isinstance(scope, dict):
                    raise _wrong(
                        text, "scope", number, "scope is not a table; write [task.scope] and its keys below it"
                    )
                _known(text, "scope", scope, number)
                for inner in ("criterion", "check"):
                    for place, each in enumerate(_tables(text, entry, inner, number), 1):
                        _known(text, inner, each, number, place)


def _tables(text: str, content: dict[str, Any], name: str, task: int) -> list[dict[str, Any]]:
    found = content.get(name, [])
    if isinstance(found, list) and all(isinstance(each, dict) for each in found):
        return found
    header = f"task.{name}" if task else name
    raise _wrong(text, name, task, f"{name} is not a list of tables; write [[{header}]] above each")


def _known(text: str, table: str, content: dict[str, Any], task: int, place: int = 0) -> None:
    for key in content:
        if key not in _KEYS[table]:
            near = difflib.get_close_matches(key, _KEYS[table], n=1)
            meant = f"did you mean {near[0]!r}?" if near else f"known here: {', '.join(_KEYS[table])}"
            inner = (table, place) if place else ("", 0)
            raise _wrong(text, key, task, f"{table} has a key {key!r} that no plan has; {meant}", inner)


def _wrong(text: str, key: str, task: int, what: str, inner: tuple[str, int] = ("", 0)) -> UsageError:
    line = _line_of(text, key, task, inner)
    where = f"line {line}: " if line else ""
    said = what if what.endswith("?") else f"{what}."
    return UsageError(f"The plan, {where}{said}", hint="Mend it there, or leave the plan as it was.")


def _explained(text: str, error: ValueError) -> str:
    """The first thing that does not fit, by line and key."""
    where, _, what = codec.explain(error).splitlines()[0].partition(": ")
    steps = where.split(".")
    names = [{"tasks": "task", "criteria": "criterion", "checks": "check"}.get(step, step) for step in steps]
    task = int(steps[1]) + 1 if steps[0] == "tasks" and len(steps) > 1 and steps[1].isdigit() else 0
    key = next((name for name in reversed(names) if not name.isdigit()), "")
    inner = (names[2], int(steps[3]) + 1) if len(steps) > 4 and steps[3].isdigit() else ("", 0)
    line = _line_of(text, key, task, inner)
    place = " ".join(str(int(name) + 1) if name.isdigit() else name for name in names)
    return f"The plan, {f'line {line}, ' if line else ''}{place}: {what[:1].lower()}{what[1:]}."


def _line_of(text: str, key: str, task: int, inner: tuple[str, int] = ("", 0)) -> int | None:
    """The first line that gives the key, in the task of that number and in its `inner` table of that number.

    The header above it, if the key is missing.
    """
    begun = within = 0
    header: int | None = None
    for number, line in enumerate(text.splitlines(), 1):
        bare = line.strip()
        if bare == "[[task]]":
            begun, within = begun + 1, 0
        within += begun == task and bare == f"[[task.{inner[0]}]]"
        if begun != task or within != inner[1]:
            continue
        if bare.startswith("[["):
            header = header or number
        if re.match(rf"(?:\[+(?:task\.)?{re.escape(key)}\]+|[\"']?{re.escape(key)}[\"']?\s*=)", bare):
            return number
    return header


def _shown_line(text: str, said: str) -> str:
    found = _AT_LINE.search(said)
    lines = text.splitlines()
    if found is None or not 0 < int(found.group(1)) <= len(lines):
        return "Mend it there, or leave the plan as it was."
    return f"That line is: {_one_line(lines[int(found.group(1)) - 1])}"
