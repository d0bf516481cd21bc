"""The options of the commands, each with its help, written once."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, TypeAlias

import typer

Request: TypeAlias = Annotated[
    str, typer.Argument(metavar="REQUEST", help="What you want done; - reads it from standard input.")
]
MaybeRequest: TypeAlias = Annotated[
    str | None,
    typer.Argument(metavar="REQUEST", help="What you want done; - reads it from standard input.", show_default=False),
]
FromFollowUp: TypeAlias = Annotated[
    str | None,
    typer.Option(
        "--from-followup",
        metavar="RUN:N",
        help="Take up what an earlier run noticed and left alone, in place of a REQUEST; see captain followups.",
    ),
]
Repo: TypeAlias = Annotated[Path, typer.Option("--repo", help="A path inside the git repository to work on.")]
CaptainModel: TypeAlias = Annotated[
    str | None,
    typer.Option("--captain", metavar="MODEL", help="Model that triages, plans and delegates, such as openai:gpt-5.5."),
]
BuildModel: TypeAlias = Annotated[
    str | None, typer.Option("--build", metavar="MODEL", help="Model that does the work. Default: the captain's.")
]
ReviewModels: TypeAlias = Annotated[
    list[str] | None,
    typer.Option(
        "--review", metavar="MODEL", help="Model that reviews; may be given more than once. Default: the captain's."
    ),
]
AdvisorModel: TypeAlias = Annotated[
    str | None,
    typer.Option(
        "--advisor", metavar="MODEL", help="Stronger model, for advice, and for the third attempt at a finding."
    ),
]
CrewPath: TypeAlias = Annotated[
    Path | None,
    typer.Option(
        "--crew", metavar="FILE.toml", help="File with a [crew] and a [budget]; options given here win over it."
    ),
]
OtherCrews: TypeAlias = Annotated[
    list[Path] | None,
    typer.Option(
        "--also-crew",
        metavar="FILE.toml",
        help="Reckon with this crew too; may be given more than once.",
    ),
]
BudgetUsd: TypeAlias = Annotated[
    str | None,
    typer.Option("--budget-usd", metavar="X", help="Most that all model calls together may cost, in US dollars."),
]
BudgetTokens: TypeAlias = Annotated[
    int | None, typer.Option("--budget-tokens", metavar="N", help="Most tokens, in and out together.")
]
BudgetTime: TypeAlias = Annotated[
    str | None, typer.Option("--budget-time", metavar="TIME", help="Longest time: 90 (seconds), 5m, 1h30m.")
]
BudgetCalls: TypeAlias = Annotated[int | None, typer.Option("--budget-calls", metavar="N", help="Most model calls.")]
BudgetTurns: TypeAlias = Annotated[
    int | None, typer.Option("--budget-turns", metavar="N", help="Most turns of all agents together.")
]
MaxParallel: TypeAlias = Annotated[
    int, typer.Option("--max-parallel", metavar="N", help="Most tasks at work at the same time.")
]
ReviewPolicyName: TypeAlias = Annotated[
    str, typer.Option("--review-policy", metavar="NAME", help="How work is reviewed: economy, balanced or thorough.")
]
MaxRounds: TypeAlias = Annotated[
    int | None, typer.Option("--max-rounds", metavar="N", help="Most rounds of review and fixing per task.")
]
CommandTimeout: TypeAlias = Annotated[
    str, typer.Option("--command-timeout", metavar="TIME", help="Longest time for one command: 90 (seconds), 5m.")
]
IncludeDirty: TypeAlias = Annotated[
    bool, typer.Option("--include-dirty", help="Start from your uncommitted changes too.")
]
AllowHosts: TypeAlias = Annotated[
    list[str] | None,
    typer.Option(
        "--allow-host",
        metavar="NAME",
        help="Host that agents may reach, such as docs.python.org, or *.python.org for all below it; may be given more "
        "than once.",
    ),
]
Yes: TypeAlias = Annotated[
    bool,
    typer.Option(
        "--yes",
        "-y",
        help="Take the recommended answer to every question; findings stay unaccepted, permissions ungiven.",
        show_default=False,
    ),
]
NoInput: TypeAlias = Annotated[
    bool, typer.Option("--no-input", help="Never ask; what would be asked for is denied.", show_default=False)
]
ApprovePlan: TypeAlias = Annotated[
    bool,
    typer.Option(
        "--approve-plan", help="Show the plan and what it is going to cost; carry out what you accept, or have edited."
    ),
]
AllowRoot: TypeAlias = Annotated[
    bool,
    typer.Option("--allow-root", help="Work as root too; commands then run as another user or without root's rights."),
]
StateDir: TypeAlias = Annotated[
    Path | None, typer.Option("--state-dir", metavar="DIR", help="Where records, reports and workspaces are kept.")
]
RecordTo: TypeAlias = Annotated[
    Path | None, typer.Option("--record", metavar="DIR", help="Keep every model call in DIR, to be replayed.")
]
AsJson: TypeAlias = Annotated[bool, typer.Option("--json", help="One JSON object per event, the outcome last.")]
Live: TypeAlias = Annotated[
    bool | None,
    typer.Option(
        "--live/--plain", help="A live tree, or plain lines. Default: by what standard output is.", show_default=False
    ),
]
Quiet: TypeAlias = Annotated[bool, typer.Option("--quiet", "-q", help="Only the outcome.")]
