"""Every error Captain raises on purpose.

    CaptainError
    ├── UsageError                  called wrongly; nothing has happened yet
    ├── ModelError                  a model call failed
    │   ├── AuthenticationError
    │   ├── RateLimitError
    │   ├── ModelTimeoutError
    │   ├── StreamInterruptedError
    │   ├── RequestRejectedError
    │   │   └── ContextOverflowError
    │   ├── BadResponseError
    │   ├── ModelsExhaustedError    every model of a fallback has failed
    │   └── ScriptError             a scripted model ran out, or was asked something else
    ├── GitError                    git refused
    ├── WorkspaceError              a workspace or what it hands back is not usable
    ├── SandboxError
    │   └── SandboxUnavailableError  nothing on this machine holds what was asked for
    ├── BudgetExceededError         a limit would be passed by the next call
    ├── JournalError                the record of a run cannot be read or written
    │   ├── ReplayError             a step is asked for with other inputs than it is recorded with
    │   ├── RunHeldError            another process carries the run
    │   └── UnfinishedEffectError   an effect had begun and its outcome is not known
    ├── NeedsPersonError            the run cannot go on without a person
    └── ToolError                   told to the model as the tool's result
        └── FileMissingError        there is no file at that path

`str(error)` is one sentence that says what is wrong; `hint` says what to do about it. Results that are
to be expected (a failing command, a finding, a refusal) are data and never errors.
"""

from __future__ import annotations


class CaptainError(Exception):
    """`hint` is a sentence that says what to do, or empty."""

    def __init__(self, message: str, *, hint: str = "") -> None:
        super().__init__(message)
        self.hint = hint


class UsageError(CaptainError):
    """Captain was called wrongly; raised before anything has happened."""


class ModelError(CaptainError):
    """A model call failed. `retry_after_s` is what the provider asked for, in seconds.

    `may_be_charged` is True where the provider may have been at work on the answer when it failed.
    """

    may_be_charged = False

    def __init__(
        self,
        message: str,
        *,
        model: str,
        hint: str = "",
        request_id: str | None = None,
        retryable: bool = False,
        retry_after_s: float | None = None,
    ) -> None:
        super().__init__(message, hint=hint)
        self.model = model
        self.request_id = request_id
        self.retryable = retryable
        self.retry_after_s = retry_after_s


class AuthenticationError(ModelError):
    """The key is missing, wrong, or not allowed to use this model."""


class RateLimitError(ModelError):
    """The provider asked for fewer calls."""


class ModelTimeoutError(ModelError):
    """Nothing arrived in time."""

    may_be_charged = True


class StreamInterruptedError(ModelError):
    """The answer broke off; no part of it is used."""

    may_be_charged = True


class RequestRejectedError(ModelError):
    """The provider refuses this request; repeating it does not help."""


class ContextOverflowError(RequestRejectedError):
    """The conversation is longer than the model takes."""


class BadResponseError(ModelError):
    """The answer is not what the interface promises."""

    may_be_charged = True


class ModelsExhaustedError(ModelError):
    """Every model that could answer has failed. `failures` are their ids, each with its reason, in order."""

    def __init__(
        self,
        message: str,
        *,
        failures: tuple[tuple[str, CaptainError], ...],
        model: str,
        hint: str = "",
        retryable: bool = False,
        retry_after_s: float | None = None,
    ) -> None:
        super().__init__(message, model=model, hint=hint, retryable=retryable, retry_after_s=retry_after_s)
        self.failures = failures


class ScriptError(ModelError):
    """A scripted model has no reply left, or was asked something its script does not expect."""


class GitError(CaptainError):
    """A git command failed. `argv` and `stderr` are what ran and what git said."""

    def __init__(self, message: str, *, argv: tuple[str, ...], stderr: str, hint: str = "") -> None:
        super().__init__(message, hint=hint)
        self.argv = argv
        self.stderr = stderr


class WorkspaceError(CaptainError):
    """A workspace cannot be made, or what it hands back was refused."""


class SandboxError(CaptainError):
    """A box cannot be opened or is gone."""


class SandboxUnavailableError(SandboxError):
    """No sandbox on this machine holds all that is required; `missing` are the guarantees nothing holds."""

    def __init__(self, message: str, *, missing: tuple[str, ...], hint: str = "") -> None:
        super().__init__(message, hint=hint)
        self.missing = missing


class BudgetExceededError(CaptainError):
    """`limit` names the field of the `Budget` that the next call would pass."""

    def __init__(self, message: str, *, limit: str, hint: str = "") -> None:
        super().__init__(message, hint=hint)
        self.limit = limit


class JournalError(CaptainError):
    """The record of a run cannot be read or written, or does not fit what is asked of it."""


class ReplayError(JournalError):
    """A recorded step is asked for with other inputs: `changes` has the name, the old and the new of each.

    They are masked and shortened; None stands for an input that was not there.
    """

    def __init__(
        self, message: str, *, path: str, changes: tuple[tuple[str, str | None, str | None], ...], hint: str = ""
    ) -> None:
        super().__init__(message, hint=hint)
        self.path = path
        self.changes = changes


class RunHeldError(JournalError):
    """Another process carries the run: `pid` on `host`, `since` an ISO 8601 time."""

    def __init__(self, message: str, *, run: str, pid: int, host: str, since: str, hint: str = "") -> None:
        super().__init__(message, hint=hint)
        self.run = run
        self.pid = pid
        self.host = host
        self.since = since


class UnfinishedEffectError(JournalError):
    """The effect of the step `path` had begun at `began_at`, and whether it happened is not recorded.

    `key` is its idempotency key, by which the other side may know it.
    """

    def __init__(self, message: str, *, path: str, effect: str, key: str, began_at: str, hint: str = "") -> None:
        super().__init__(message, hint=hint)
        self.path = path
        self.effect = effect
        self.key = key
        self.began_at = began_at


class NeedsPersonError(CaptainError):
    """The run cannot go on without a person; the message is what to ask or tell them."""


class ToolError(CaptainError):
    """A tool's own failure; its sentence is what the model is told."""


class FileMissingError(ToolError):
    """There is no file at the path that a tool was given."""
