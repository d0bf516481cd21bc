"""Starts one command, with a supervisor where no namespace holds its tree together; knows who descends from whom."""

from __future__ import annotations

import _signal  # type: ignore[import-not-found]  # its public face costs more to import
import fcntl
import os
import resource
import select

from . import kernel, stage

OWN_PROCESSES = 16
"""Of the box's making: bubblewrap or a supervisor for each command that runs at the same time."""

_RULESET_AT = _FILTER_AT = 40
_OPTIONS_AT = 41
_FIRST_FREE = 64


Plan = dict  # of names to values that can be marshalled; `typing` costs more to import than all of this


def start(plan: Plan, order: Plan, given: list[int]) -> tuple[int, int | None]:
    """The process, and for one with a supervisor the leash to let go. Raises `OSError`."""
    if not plan["landlock"]:
        warden = os.getpid()
        pid = os.fork()
        if pid == 0:
            _become(plan, order, given, warden)
        return pid, None
    inside, leash = os.pipe()
    pid = os.fork()
    if pid == 0:
        os.close(leash)
        _supervise(plan, order, given, inside)
    os.close(inside)
    return pid, leash


def _become(plan: Plan, order: Plan, given: list[int], parent: int) -> None:
    """Turns this forked process into the command; never returns. `parent` is who has to live for it to live."""
    try:
        os.setsid()
        _signal.signal(_signal.SIGPIPE, _signal.SIG_DFL)
        _number(plan, order, given)
        if plan["user"]:
            _leave_root(*plan["user"])
        if not plan["landlock"]:
            kernel.die_with_parent()  # after the change of user, which takes it back
            if os.getppid() != parent:  # it has died before that
                os._exit(137)
        for number, value in plan["rlimits"]:
            hard = resource.getrlimit(number)[1]
            most = value if hard == resource.RLIM_INFINITY else min(value, hard)
            resource.setrlimit(number, (most, most))
        if plan["landlock"]:
            os.chdir(plan["root"])
            kernel.give_up_privileges()
            kernel.landlock_enter(_RULESET_AT)
            os.close(_RULESET_AT)
            kernel.filter_calls(plan["filter"])
        os.execvpe(order["argv"][0], order["argv"], order["env"])  # noqa: S606 - the very point
    except FileNotFoundError:
        _complain(f"{order['argv'][0]}: command not found\n", 127)
    except BaseException as error:
        _complain(f"{order['argv'][0]}: {getattr(error, 'strerror', None) or error}\n", 126)


def _complain(text: str, code: int) -> None:
    try:
        os.write(2, text.encode("utf-8", "replace"))
    finally:
        os._exit(code)


def _number(plan: Plan, order: Plan, given: list[int]) -> None:
    """Gives every descriptor the number it is to have and closes all others."""
    wanted = dict(zip(order["numbers"], given, strict=True))
    if plan["landlock"]:
        wanted[_RULESET_AT] = plan["rulesets"][order["own"]]
    else:
        wanted[_FILTER_AT] = _filled(plan["filter"])
        wanted[_OPTIONS_AT] = _filled(plan["options"][order["own"]])
    moved = {
        number: fcntl.fcntl(descriptor, fcntl.F_DUPFD_CLOEXEC, _FIRST_FREE) for number, descriptor in wanted.items()
    }
    for number, descriptor in moved.items():
        os.dup2(descriptor, number, inheritable=True)
    taken = sorted(moved)
    for before, after in zip(taken, taken[1:], strict=False):  # noqa: RUF007 - nothing is imported for it
        if after - before > 1:  # of an empty range Python makes one without an end
            os.closerange(before + 1, after)
    os.closerange(taken[-1] + 1, resource.getrlimit(resource.RLIMIT_NOFILE)[0])


def _filled(content: bytes) -> int:
    """A pipe that holds `content`, which is less than a pipe takes."""
    out, into = os.pipe()
    os.write(into, content)
    os.close(into)
    return out


def _leave_root(user: int, group: int) -> None:
    """For good, and into a user namespace, in which the processes of this command are counted by themselves."""
    os.setgroups([])
    os.setresgid(group, group, group)
    os.setresuid(user, user, user)
    kernel.prctl(4, 1)  # else /proc/self would still be root's
    kernel.unshare(kernel.NEWUSER)
    stage.map_self(user, group)


def _supervise(plan: Plan, order: Plan, given: list[int], leash: int) -> None:
    """Ends everything the command started when it ends, or when the leash is let go. Never returns."""
    try:
        kernel.adopt_orphans()
        supervisor = os.getpid()
        pid = os.fork()
        if pid == 0:
            _become(plan, order, given, supervisor)
        os.dup2(leash, 0)
        os.closerange(1, resource.getrlimit(resource.RLIMIT_NOFILE)[0])
        handle = os.pidfd_open(pid)
        poll = select.poll()
        poll.register(handle, select.POLLIN)
        poll.register(0, select.POLLIN)
        ended = any(descriptor == handle for descriptor, _ in poll.poll())
        status = os.waitpid(pid, 0)[1] if ended else int(_signal.SIGKILL)
        end_descendants()
        if os.WIFSIGNALED(status):
            _end_by(os.WTERMSIG(status))
        os._exit(os.WEXITSTATUS(status))
    finally:
        os._exit(255)


def _end_by(number: int) -> None:
    """As the command ended, so that whoever waits for the supervisor sees the same."""
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    if number not in (_signal.SIGKILL, _signal.SIGSTOP):
        _signal.signal(number, _signal.SIG_DFL)
    os.kill(os.getpid(), number)


def end_descendants() -> None:
    """Stops all first, so that none can start another while they are ended one by one; repeats until none is left."""
    while True:
        pids = descendants()
        if not pids:
            break
        for number in (_signal.SIGSTOP, _signal.SIGKILL):
            for pid in pids:
                _send(pid, number)
        _reap_children()


def _reap_children() -> None:
    try:
        while os.waitpid(-1, os.WNOHANG)[0]:
            pass
    except ChildProcessError:
        return


def _send(pid: int, number: int) -> None:
    try:
        os.kill(pid, number)
    except ProcessLookupError:
        return


def end_orphans(known: set[int]) -> None:
    """Ends and awaits what was passed on to this process when its parents ended; `known` are its own commands.

    Of a namespace that is the first process, which the kernel is ending already, and all in it with it.
    """
    while orphans := set(_children(os.getpid())) - known:
        for pid in orphans:
            _send(pid, _signal.SIGKILL)
            os.waitpid(pid, 0)


def descendants() -> list[int]:
    """All processes below this one, from the kernel's lists of children."""
    found: list[int] = []
    waiting = [os.getpid()]
    while waiting:
        for pid in _children(waiting.pop()):
            found.append(pid)
            waiting.append(pid)
    return found


def _children(pid: int) -> list[int]:
    try:
        threads = os.listdir(f"/proc/{pid}/task")
    except OSError:
        return []
    found: list[int] = []
    for thread in threads:
        try:
            with open(f"/proc/{pid}/task/{thread}/children", "rb") as file:
                found += map(int, file.read().split())
        except FileNotFoundError:
            if os.path.exists(f"/proc/{pid}/task/{thread}"):
                return _children_of_all().get(pid, [])  # a kernel without these lists
        except OSError:
            continue
    return found


def _children_of_all() -> dict[int, list[int]]:
    children: dict[int, list[int]] = {}
    for name in os.listdir("/proc"):
        if name.isdigit():
            try:
                with open(f"/proc/{name}/stat", "rb") as file:
                    parent = int(file.read().rpartition(b")")[2].split()[1])
            except OSError:
                continue
            children.setdefault(parent, []).append(int(name))
    return children
