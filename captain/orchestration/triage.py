"""Triage: the Captain looks first, and a bug is delegated only once its reproduction was seen to fail."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar, Final

from captain.core import codec
from captain.core.errors import CaptainError
from captain.core.events import Refused, ReproductionRan, Triaged
from captain.core.messages import Text
from captain.core.tasks import Diagnosis, Location, Triage, TriageKind
from captain.orchestration.context import Voyage
from captain.orchestration.conversation import Conversation
from captain.tools import FunctionTool, ToolOutput, said, tool

MAX_REFUSALS: Final = 3
_CANNOT_RUN: Final = (126, 127)  # the shell's own codes for "not executable" and "not found"


class NeedsPersonError(CaptainError):
    """The run cannot go on without a person; the message is what to ask or tell them."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ProposedDiagnosis:
    """The root cause of one bug, as the Captain hands it in."""

    __pydantic_config__: ClassVar = {"use_attribute_docstrings": True}

    cause: str
    """The root cause, in one or two sentences."""
    locations: tuple[Location, ...]
    """The files, and where it helps the symbols, the cause sits in."""
    reproduction: str | None = None
    """One shell command that fails now because of this bug and passes once it is mended."""
    no_reproduction: str | None = None
    """Why no reproduction is possible, if none is."""


class TriageDesk:
    """Takes the Captain's triage: checks it, and sees every reproduction fail on the base commit."""

    def __init__(self, voyage: Voyage) -> None:
        self._voyage = voyage
        self._refused = 0
        self._reproduced = 0
        self._taken = False
        self.submit = self._tool()

    def _tool(self) -> FunctionTool:
        @tool(effect="execute")
        async def submit_triage(
            kind: TriageKind,
            reason: str,
            reply: str = "",
            diagnoses: list[ProposedDiagnosis] = [],  # noqa: B006 - only read
        ) -> ToolOutput:
            """Hands in the triage. `reply` is what the user is told for answer, clarify and decline."""
            if self._taken:
                return said("The triage is taken already; plan the work now.", is_error=True)
            triage = Triage(
                kind=kind,
                reason=reason,
                reply=reply,
                diagnoses=tuple(
                    Diagnosis(
                        id=f"D{number}",
                        cause=proposed.cause,
                        locations=proposed.locations,
                        reproduction=proposed.reproduction or None,
                        no_reproduction=proposed.no_reproduction or None,
                    )
                    for number, proposed in enumerate(diagnoses, 1)
                ),
            )
            problems = triage_problems(triage, self._voyage.files) or await self._unreproduced(triage)
            if problems:
                return await self._refuse(problems)
            self._taken = True
            return ToolOutput(content=(Text(text="Taken."),), submission=codec.to_json(triage))

        return submit_triage

    async def _unreproduced(self, triage: Triage) -> tuple[str, ...]:
        return tuple(
            [
                f"{diagnosis.id}: {problem}"
                for diagnosis in triage.diagnoses
                if diagnosis.reproduction and (problem := await self._reproduce(diagnosis, diagnosis.reproduction))
            ]
        )

    async def _reproduce(self, diagnosis: Diagnosis, command: str) -> str | None:
        """Runs the command on an untouched copy of the base commit; None if it was seen to fail there."""
        voyage = self._voyage
        self._reproduced += 1
        async with voyage.fresh_box(f"reproduce-{self._reproduced}", voyage.base) as box:
            result = await box.run_shell(command, timeout_s=voyage.options.command_timeout_s)
            output = voyage.shown(result, box)
        could_run = result.exit_code not in _CANNOT_RUN
        seen_to_fail = could_run and result.exit_code not in (0, None)
        await voyage.tell(
            ReproductionRan(
                diagnosis=diagnosis.id,
                command=command,
                commit=voyage.base,
                exit_code=result.exit_code,
                seen_to_fail=seen_to_fail,
                output=output,
            )
        )
        if seen_to_fail:
            return None
        if result.timed_out:
            return (
                f"the reproduction was still running after {voyage.options.command_timeout_s:g} s and was stopped. "
                "If the bug is that something hangs, put a limit into the command, such as `timeout 10 …`."
            )
        if result.exceeded:
            return f"the reproduction was stopped, as it passed the limit of its box for {result.exceeded}: {output}"
        if not could_run:
            return f"the reproduction could not be run (exit code {result.exit_code}): {output}"
        return (
            "the reproduction passes on the base commit, so it does not show the bug. Look again: "
            f"is this the cause? Its output was:\n{output or '(nothing)'}"
        )

    async def _refuse(self, problems: tuple[str, ...]) -> ToolOutput:
        self._refused += 1
        await self._voyage.tell(Refused(what="triage", problems=problems))
        if self._refused >= MAX_REFUSALS:
            raise NeedsPersonError(
                f"The Captain's triage was refused {MAX_REFUSALS} times. The last reason: {problems[0]}",
                hint="Say more precisely what goes wrong and how to see it, or use another model as Captain.",
            )
        return said("The triage was not taken:\n" + "\n".join(f"- {p}" for p in problems), is_error=True)


def triage_problems(triage: Triage, files: tuple[str, ...]) -> tuple[str, ...]:
    """What is wrong with a triage before anything is run, as sentences."""
    problems = []
    if not triage.leads_to_work and not triage.reply.strip():
        problems.append(f"{triage.kind!r} needs a `reply` for the user")
    if triage.kind == "fix" and not triage.diagnoses:
        problems.append("'fix' needs a diagnosis of every bug before anything is delegated")
    known = set(files)
    for diagnosis in triage.diagnoses:
        if not diagnosis.cause.strip():
            problems.append(f"{diagnosis.id} names no cause")
        if not diagnosis.locations:
            problems.append(f"{diagnosis.id} names no location")
        problems += [
            f"{diagnosis.id} points at {location.path!r}, which is not in the repository"
            for location in diagnosis.locations
            if location.path not in known
        ]
        if not diagnosis.reproduction and not diagnosis.no_reproduction:
            problems.append(f"{diagnosis.id} needs a `reproduction`, or the reason in `no_reproduction`")
    return tuple(problems)


async def triage(voyage: Voyage, captain: Conversation) -> Triage:
    """The first decision."""
    parts = [f"# Request\n\n{voyage.request}"]
    if notes := voyage.memory.nearest():
        parts.append(f"# The project's own notes\n\n{notes}")
    parts.append("Look into it, then call `submit_triage`.")
    submission = await captain.ask("\n\n".join(parts), submits="submit_triage", path="triage")
    decided = codec.from_json(Triage, submission)
    await voyage.tell(Triaged(triage=decided))
    return decided
