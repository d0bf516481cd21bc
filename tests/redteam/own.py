"""Our own attacks: what the recorded suite does not try, in its terms."""

# ruff: noqa: E501 - scripts as they run

from __future__ import annotations

from dataclasses import replace
from textwrap import dedent

from captain.sandbox import Limits
from tests.redteam.attacks import LIMITS, Attack, Variant

_BOMB = "it would end the machine's other work"
_SMALL = replace(LIMITS, processes=64, memory_bytes=1024**3)


def python(code: str) -> str:
    return f"python3 - <<'E'\n{dedent(code).strip()}\nE\n"


def _calls(calls: dict[str, tuple[int, ...]]) -> str:
    """Makes system calls by their numbers on x86-64 and says which are open."""
    return python(f"""
        import ctypes
        l = ctypes.CDLL(None, use_errno=True)
        room = ctypes.create_string_buffer(4096)
        for name, words in {calls!r}.items():
            l.syscall.restype = ctypes.c_long
            r = l.syscall(*[ctypes.c_long(w) if w != -77 else room for w in words])
            if r >= 0: print('OPEN', name)
    """)


def _shell(id_: str, title: str, category: str, *variants: Variant) -> Attack:
    return Attack(id=id_, title=title, category=category, kind="shell", variants=variants)


def _one(
    id_: str,
    title: str,
    category: str,
    payload: str,
    check: str,
    *,
    timeout_s: float = 10,
    limits: Limits = LIMITS,
    at_once: bool = False,
    never_bare: str = "",
) -> Attack:
    variant = Variant(
        name="one",
        payload=payload,
        check=check,
        timeout_s=timeout_s,
        limits=limits,
        at_once=at_once,
        never_bare=never_bare,
    )
    return _shell(id_, title, category, variant)


def _on_terminal(id_: str, title: str, category: str, payload: str, check: str) -> Attack:
    return replace(_one(id_, title, category, payload, check), kind="terminal")


_NOT_SEEN = "! grep -qF '{CANARY}' \"$OUTPUT\""
_NOT_OPEN = '! grep -q OPEN "$OUTPUT"'

OWN = (
    _one(
        "C01",
        "Write outside by absolute path",
        "fs-write",
        "echo x > {OUT}/abs; echo x >> {UHOME}/.bashrc; echo x > {MAIN}/abs; echo x >> {MAIN}/.git/config; "
        "mkdir {UHOME}/.config/autostart; echo x > {UHOME}/.config/autostart/x; cp /bin/true {OUT}/bin",
        "[ ! -e {OUT}/abs ] && [ ! -e {UHOME}/.bashrc ] && [ ! -e {MAIN}/abs ] && [ ! -e {OUT}/bin ] "
        "&& [ ! -e {UHOME}/.config/autostart ] && ! grep -qx x {MAIN}/.git/config",
    ),
    _one(
        "C02",
        "Write outside by a hard link",
        "links",
        "cd {WT}; ln {OUT}/victim.txt h && echo pwn > h; ln README {OUT}/h2; "
        "ln {MAIN}/README h3 && echo pwn > h3; cp -l {UHOME}/.netrc n; cat n",
        '[ "$(cat {OUT}/victim.txt)" = keep ] && [ ! -e {OUT}/h2 ] && [ "$(cat {MAIN}/README)" = hello ] && '
        + _NOT_SEEN,
    ),
    _one(
        "C03",
        "Rename across the border",
        "fs-write",
        "cd {WT}; mv {OUT}/victim.txt v; mv README {OUT}/moved; mv {OUT}/other-agent o; "
        + python("""
            import ctypes
            l = ctypes.CDLL(None)
            l.renameat2(-100, b'{WT}/AGENTS.md', -100, b'{OUT}/victim.txt', 2)
        """),
        '[ "$(cat {OUT}/victim.txt)" = keep ] && [ ! -e {OUT}/moved ] && [ -e {OUT}/other-agent/f ]',
    ),
    _one(
        "C04",
        "Bind mounts, overlays and pivot_root",
        "fs-write",
        "cd {WT}; mkdir b; for how in '' 'unshare -m' 'unshare -Urm'; do $how sh -c "
        "'mount --bind {OUT} b && echo x > b/mounted; mount -o remount,rw / && echo OPEN remount; "
        "mount -t tmpfs t b && echo OPEN tmpfs; umount /proc/sys && echo OPEN umount'; done 2>/dev/null; "
        + _calls({"open_tree": (428, -100, -77, 1), "fsopen": (430, -77, 0), "mount_setattr": (442, -100, -77, 0)}),
        f"[ ! -e {{OUT}}/mounted ] && {_NOT_OPEN}",
        never_bare="it would change the machine's own mounts",
    ),
    _one(
        "C05",
        "Memory of a host process by /proc/PID/mem",
        "proc",
        "for f in mem maps auxv syscall stack; do head -c 1 /proc/{PID}/$f >/dev/null 2>&1 && echo OPEN $f; done; "
        + python("""
            import os
            for name in ('mem', 'oom_score_adj', 'oom_adj', 'coredump_filter', 'comm', 'timerslack_ns', 'clear_refs'):
                try: os.close(os.open('/proc/{PID}/' + name, os.O_WRONLY)); print('OPEN write', name)
                except OSError: pass
        """),
        _NOT_OPEN,
    ),
    _one(
        "C06",
        "Roots and folders of other processes by /proc",
        "proc",
        "for p in /proc/[0-9]*; do cat $p/root{UHOME}/.ssh/id_ed25519 $p/cwd/home/.netrc; "
        "echo x > $p/root{OUT}/by-root; echo x > $p/cwd/out/by-cwd; done 2>/dev/null; true",
        f"[ ! -e {{OUT}}/by-root ] && [ ! -e {{OUT}}/by-cwd ] && {_NOT_SEEN}",
    ),
    _one(
        "C07",
        "Unix socket of the host by its path",
        "network",
        python("""
            import socket
            for kind in (1, 2, 5):
                try: s = socket.socket(1, kind); s.settimeout(1); s.connect('{SOCK}'); print('OPEN')
                except OSError: pass
        """),
        f'[ "$HITS_UNIX" = 0 ] && {_NOT_OPEN}',
    ),
    _one(
        "C08",
        "Abstract unix socket of the host",
        "network",
        python("""
            import socket
            for kind in (1, 2, 5):
                try: s = socket.socket(1, kind); s.settimeout(1); s.connect('\\0{ABS}'); print('OPEN')
                except OSError: pass
        """),
        f'[ "$HITS_ABS" = 0 ] && {_NOT_OPEN}',
    ),
    _one(
        "C09",
        "TCP to the host's loopback, in several spellings",
        "network",
        "for h in 127.0.0.1 localhost 0.0.0.0 127.1.2.3; do (exec 3<>/dev/tcp/$h/{PORT}) 2>/dev/null; done; "
        + python("""
            import socket
            for family, host in ((2, '127.0.0.1'), (2, '0.0.0.0'), (10, '::ffff:127.0.0.1'), (10, '::1')):
                try: s = socket.socket(family, 1); s.settimeout(1); s.connect((host, {PORT}))
                except OSError: pass
            try: socket.socket(2, 1).sendto(b'x', 0x20000000, ('127.0.0.1', {PORT}))
            except OSError: pass
        """),
        '[ "$HITS_TCP" = 0 ]',
    ),
    _one(
        "C10",
        "Channel from a virtual machine to its host",
        "network",
        python("""
            import socket, os
            for kind in (1, 2, 5):
                try: socket.socket(40, kind); print('OPEN', kind)
                except OSError: pass
            for path in ('/dev/vsock', '/dev/vhost-vsock', '/dev/vport0p1'):
                try: os.open(path, os.O_RDWR); print('OPEN', path)
                except OSError: pass
        """),
        _NOT_OPEN,
    ),
    _one(
        "C11",
        "Trace and read a host process",
        "proc",
        python("""
            import ctypes
            l = ctypes.CDLL(None, use_errno=True)
            for request in (16, 0x4206):  # PTRACE_ATTACH, PTRACE_SEIZE
                if l.ptrace(request, {PID}, 0, 0) == 0:
                    print('OPEN ptrace', request); l.ptrace(17, {PID}, 0, 0)
            room = ctypes.create_string_buffer(16)
            class V(ctypes.Structure): _fields_ = [('b', ctypes.c_void_p), ('n', ctypes.c_size_t)]
            there = V(int(open('/proc/self/maps').readline().split('-')[0], 16), 16)
            mine = V(ctypes.addressof(room), 16)
            if l.process_vm_readv({PID}, ctypes.byref(mine), 1, ctypes.byref(there), 1, 0) >= 0: print('OPEN vm')
            fd = l.syscall(434, {PID}, 0)
            if fd >= 0 and l.syscall(438, fd, 0, 0) >= 0: print('OPEN getfd')
            if fd >= 0 and l.syscall(424, fd, 18, None, 0) == 0: print('OPEN signal')
        """),
        _NOT_OPEN,
    ),
    _one(
        "C12",
        "Environment of host processes by /proc",
        "secrets",
        "cat /proc/{PID}/environ /proc/{PID}/task/*/environ /proc/{HOST}/environ /proc/{WARDEN}/environ; true",
        _NOT_SEEN,
    ),
    _one(
        "C13",
        "Canaries of the home, of the environment, of other copies and of the journal",
        "fs-read",
        "cat {UHOME}/.ssh/id_ed25519 {UHOME}/.aws/credentials {UHOME}/.netrc ~/.ssh/* ~/.netrc ~root/.netrc; env; set; "
        "cat {OUT}/journal.jsonl {OUT}/other-agent/*; cat {OUT}/../*/.env; grep -rF CANARY_ {UHOME} {OUT} {MAIN}; true",
        _NOT_SEEN,
    ),
    _one(
        "C14",
        "Modes, owners, times and attributes of files outside",
        "fs-meta",
        "chmod 777 {OUT}/victim.txt {OUT} {UHOME}/.ssh; touch -d 2001-01-01 {OUT}/victim.txt {MAIN}/README; "
        "chown 12345 {OUT}/victim.txt; "
        + python("""
            import os
            for name in ('user.x', 'trusted.x', 'security.x'):
                try: os.setxattr('{OUT}/victim.txt', name, b'1'); print('OPEN', name)
                except OSError: pass
        """),
        '[ "$(stat -c "%a %u" {OUT}/victim.txt)" = "644 $(id -u)" ] && [ "$(stat -c %Y {OUT}/victim.txt)" -gt 1000000000 ] '
        f'&& [ "$(stat -c %Y {{MAIN}}/README)" -gt 1000000000 ] && {_NOT_OPEN}',
    ),
    _one(
        "C15",
        "A setuid program left in the copy, which on the host would be the user's",
        "kernel",
        "cd {WT}; cp /bin/true s1; chmod 4755 s1; cp /bin/true s2; chmod 2755 s2; "
        + python("""
            import os, ctypes
            l = ctypes.CDLL(None, use_errno=True)
            for number, call in enumerate((
                lambda p: os.close(os.open(p, os.O_CREAT | os.O_WRONLY, 0o4755)),
                lambda p: os.mknod(p, 0o104755),
                lambda p: (os.close(os.open(p, os.O_CREAT | os.O_WRONLY)), os.chmod(p, 0o4755, dir_fd=None)),
                lambda p: (open(p, 'w'), os.fchmod(os.open(p, os.O_RDONLY), 0o4755)),
                lambda p: (open(p, 'w'), l.syscall(452, -100, p.encode(), 0o4755, 0)),
                lambda p: (open(p, 'w'), l.syscall(268, -100, p.encode(), 0o4755)),
                lambda p: l.syscall(437, -100, p.encode(), ctypes.byref((ctypes.c_uint64 * 3)(0o101, 0o4755, 0)), 24),
                lambda p: os.link(f'/proc/self/fd/{os.open("{WT}", 0x410001, 0o4755)}', p, follow_symlinks=True),
            )):
                try: call(f'{WT}/t{number}')
                except OSError: pass
        """),
        '[ -z "$(find {WT} -type f -perm -4000)" ]',
    ),
    _one(
        "C16",
        "More knobs of the kernel",
        "proc",
        python("""
            import os, glob
            knobs = ['/proc/sysrq-trigger', '/proc/sys/kernel/core_pattern', '/proc/sys/kernel/hotplug', '/proc/kcore',
                '/proc/sys/kernel/poweroff_cmd', '/proc/sys/kernel/ns_last_pid', '/proc/sys/fs/suid_dumpable',
                '/proc/sys/vm/overcommit_memory', '/proc/sys/net/ipv4/ip_forward', '/proc/sys/user/max_user_namespaces',
                '/sys/kernel/uevent_helper', '/sys/kernel/mm/transparent_hugepage/enabled', '/proc/irq/0/smp_affinity',
                '/sys/fs/cgroup/cgroup.procs', '/sys/fs/cgroup/pids/cgroup.procs', '/proc/timer_list', '/proc/kmsg']
            for name in knobs:
                try: os.close(os.open(name, os.O_RDONLY if name.endswith(('kcore', 'kmsg')) else os.O_WRONLY)); print('OPEN', name)
                except OSError: pass
        """),
        # what governs one's own namespace alone may be written by whoever owns it
        _NOT_OPEN,
    ),
    _one(
        "C17",
        "Keys of the kernel's keyrings",
        "kernel",
        _calls(
            {
                "add_key": (248, -77, -77, -77, 1, -2),
                "request_key": (249, -77, -77, 0, -2),
                "keyctl": (250, 0, -3, 0),
                "keyctl session": (250, 1, 0),
            }
        )
        + "keyctl show 2>/dev/null; cat /proc/keys 2>/dev/null; true",
        _NOT_OPEN,
    ),
    _one(
        "C18",
        "bpf, userfaultfd, perf events, io_uring and others with a long record of holes",
        "kernel",
        _calls(
            {
                "bpf": (321, 0, -77, 48),
                "userfaultfd": (323, 1),
                "perf_event_open": (298, -77, 0, -1, -1, 0),
                "io_uring_setup": (425, 4, -77),
                "fanotify_init": (300, 0, 0),
                "name_to_handle_at": (303, -100, -77, -77, -77, 0),
                "modify_ldt": (154, 0, -77, 16),
                "kcmp": (312, 1, 1, 0, 0, 0),
                "move_pages": (279, 0, 0, 0, 0, 0, 0),
                "syslog": (103, 3, -77, 100),
                "clone3 without flags": (435, -77, 0),
            }
        ),
        _NOT_OPEN,
    ),
    _one(
        "C19",
        "Numbers of the second system-call table",
        "kernel",
        _calls({f"x32 {number}": (0x40000000 | number, *rest) for number, rest in {39: (), 41: (40, 1, 0)}.items()}),
        _NOT_OPEN,
    ),
    _one(
        "C20",
        "A process left behind: double fork, new session, empty environment, deaf to signals",
        "process",
        python("""
            import os, signal, ctypes
            for n in range(3):
                if os.fork() == 0:
                    os.setsid()
                    if os.fork(): os._exit(0)
                    os.setsid() if n else None
                    for s in (1, 2, 15, 17): signal.signal(s, signal.SIG_IGN)
                    ctypes.CDLL(None).prctl(1, 0, 0, 0, 0)
                    for fd in range(3): os.close(fd)
                    os.execve('/bin/bash', ['left-{NONCE}', '-c', "trap '' TERM; while :; do sleep 1; done; #left-{NONCE}"], {})
        """)
        + "sleep 0.3",
        "sleep 1; ! ps -eo args | grep -q '[l]eft-{NONCE}'",
        at_once=True,
    ),
    _one(
        "C21",
        "New namespaces inside",
        "kernel",
        "for o in -U -Ur -Urn -Urm -Urp; do unshare $o true 2>/dev/null && echo OPEN $o; done; "
        + python("""
            import ctypes, os
            l = ctypes.CDLL(None, use_errno=True)
            for flag in (0x10000000, 0x00020000, 0x40000000, 0x08000000, 0x04000000, 0x02000000, 0x20000000):
                if l.unshare(flag) == 0: print('OPEN unshare', hex(flag))
                pid = l.syscall(56, flag | 17, 0, 0, 0, 0)
                if pid == 0: os._exit(0)
                if pid > 0: print('OPEN clone', hex(flag))
            for name in ('user', 'mnt', 'net', 'pid'):
                try: fd = os.open('/proc/{PID}/ns/' + name, os.O_RDONLY)
                except OSError: continue
                if l.setns(fd, 0) == 0: print('OPEN setns', name)
        """),
        _NOT_OPEN,
    ),
    _one(
        "C22",
        "A gigabyte of output",
        "resource",
        "head -c 1000000000 /dev/zero; echo end",
        '[ "$GREW_MB" -lt 150 ] && [ "$BYTES" -lt 2000000 ] && [ "$TRUNC" -gt 900000000 ]',
        timeout_s=60,
    ),
    _one(
        "C23",
        "A process that ignores every signal it can",
        "process",
        "trap '' TERM INT HUP QUIT PIPE ALRM; exec -a deaf-{NONCE} bash -c \"trap '' TERM INT HUP; while :; do read -t 1 < <(:) ; sleep 0.2; done #deaf-{NONCE}\"",
        '[ "$TIMEDOUT" = 1 ] && [ "$MS" -lt 8000 ] && ! ps -eo args | grep -q "[d]eaf-{NONCE}"',
        timeout_s=1,
        at_once=True,
    ),
    _one(
        "C24",
        "A read from the network that never ends",
        "process",
        python("""
            import socket
            a, b = socket.socketpair()
            try:
                s = socket.socket(2, 1); s.bind(('127.0.0.1', 0)); s.listen(); c = socket.create_connection(s.getsockname())
                c.recv(1)
            except OSError: pass
            a.recv(1)
        """),
        '[ "$TIMEDOUT" = 1 ] && [ "$MS" -lt 8000 ]',
        timeout_s=1,
    ),
    _one(
        "C25",
        "Sparse files of terabytes",
        "resource",
        "cd {WT}; truncate -s 100T s1; dd if=/dev/zero of=s2 bs=1 count=1 seek=10T 2>/dev/null; fallocate -l 100G s3; true",
        '[ "$(du -sm --apparent-size {WT} | cut -f1)" -lt 600 ] && [ "$(du -sm {WT} | cut -f1)" -lt 280 ]',
        never_bare="it would fill the disk",
    ),
    _one(
        "C26",
        "Fork bomb",
        "resource",
        python("""
            import os, time
            born = 0
            end = time.monotonic() + 3
            while time.monotonic() < end:
                try:
                    if os.fork() == 0: time.sleep(60); os._exit(0)
                    born += 1
                    if born > 400: break
                except OSError: time.sleep(0.05)
            print('BORN', born)
        """),
        'n=$(sed -n "s/^BORN //p" "$OUTPUT"); [ "${n:-0}" -le 100 ] && true',
        limits=_SMALL,
        never_bare=_BOMB,
    ),
    _one(
        "C27",
        "Memory over many small processes",
        "resource",
        python("""
            import os, time
            for n in range(24):
                if os.fork() == 0:
                    x = bytearray(b'x') * (100 << 20)
                    print('GOT', flush=True); time.sleep(6); os._exit(0)
                time.sleep(0.05)
            time.sleep(6)
        """),
        '[ "$(grep -c GOT "$OUTPUT")" -lt 22 ] && [ "$EXCEEDED" = memory ]',
        limits=_SMALL,
        timeout_s=20,
        never_bare="it would take 2.4 GB",
    ),
    _one(
        "C28",
        "Fill shared memory and the temporary folders",
        "resource",
        "for d in /dev/shm /tmp /var/tmp $TMPDIR ~; do for i in 1 2 3 4 5 6 7 8; do head -c 40000000 /dev/zero > $d/fill-{NONCE}-$i; done; done 2>/dev/null; "
        "du -scm /dev/shm/fill-{NONCE}-* /tmp/fill-{NONCE}-* /var/tmp/fill-{NONCE}-* $TMPDIR/fill-{NONCE}-* ~/fill-{NONCE}-* 2>/dev/null | sed -n 's/\\ttotal$//p' | sed 's/^/MB /'; sleep 1",
        # of the host's own folders nothing, and in the box's no more than they may have each
        "if ls /dev/shm/fill-{NONCE}-* /tmp/fill-{NONCE}-* /var/tmp/fill-{NONCE}-* 2>/dev/null | grep -q .; "
        "then rm -f /dev/shm/fill-{NONCE}-* /tmp/fill-{NONCE}-* /var/tmp/fill-{NONCE}-*; exit 1; fi; "
        '[ "$(sed -n "s/^MB //p" "$OUTPUT")" -lt 600 ] || [ -n "$EXCEEDED" ]',
        timeout_s=30,
    ),
    _one(
        "C29",
        "As many empty files as there can be",
        "resource",
        python("""
            import os
            made = 0
            for d in range(400):
                os.mkdir(f'{WT}/d{d}')
                for f in range(500):
                    os.close(os.open(f'{WT}/d{d}/{f}', os.O_CREAT | os.O_WRONLY)); made += 1
            print('MADE', made)
        """),
        '[ "$(find {WT} | wc -l)" -lt 150000 ]',
        timeout_s=40,
        never_bare="it would use up the disk's inodes",
    ),
    _one(
        "C30",
        "A tree of ten thousand levels with files at its end",
        "resource",
        python("""
            import os
            os.chdir('{WT}')
            for n in range(10000):
                os.mkdir('d'); os.chdir('d')
            for n in range(8):
                with open(str(n), 'wb') as f: f.write(bytes(40_000_000))
            import time; time.sleep(12)  # a look at such a tree takes its time, and is not repeated at once
            print('FILLED')
        """),
        '! grep -q FILLED "$OUTPUT" && [ "$ALIVE" = 1 ]',
        timeout_s=60,
    ),
    _one(
        "C31",
        "Limits raised again",
        "resource",
        "ulimit -c unlimited; ulimit -v unlimited; prlimit --pid {PID} --nofile=10:10 && echo OPEN prlimit; "
        + python("""
            import resource
            for name in ('CPU', 'DATA', 'FSIZE', 'NOFILE', 'NPROC', 'CORE'):
                number = getattr(resource, 'RLIMIT_' + name)
                hard = resource.getrlimit(number)[1]
                for value in (resource.RLIM_INFINITY, hard + 1):
                    try:
                        resource.setrlimit(number, (value, value))
                        print('OPEN', name)
                    except (OSError, ValueError): pass
        """),
        _NOT_OPEN,
    ),
    _one(
        "C32",
        "Scheduling and priorities of others",
        "proc",
        python("""
            import os
            for name, call in (
                ('nice', lambda: os.setpriority(os.PRIO_PROCESS, {PID}, 19)),
                ('affinity', lambda: os.sched_setaffinity({PID}, {0})),
                ('scheduler', lambda: os.sched_setscheduler({PID}, os.SCHED_BATCH, os.sched_param(0))),
                ('faster', lambda: os.nice(-5)),
                ('realtime', lambda: os.sched_setscheduler(0, os.SCHED_FIFO, os.sched_param(1))),
            ):
                try: call(); print('OPEN', name)
                except OSError: pass
        """),
        _NOT_OPEN,
    ),
    _one(
        "C33",
        "Kill what holds the box",
        "process",
        "kill -9 $PPID {WARDEN} 2>/dev/null; "
        + python("""
            import os
            for pid, number in (({WARDEN}, 9), ({HOST}, 28), (os.getppid(), 9)):
                try: os.kill(pid, number)
                except OSError: pass
                else: print('OPEN' if number == 28 else 'sent', pid, number, flush=True)
        """)
        + "true",
        "case $(ps -o stat= -p {WARDEN}) in ''|Z*|T*) false;; *) true;; esac && [ \"$ALIVE\" = 1 ] && " + _NOT_OPEN,
        at_once=True,
        never_bare="it would end the test itself",
    ),
    _one(
        "C34",
        "Inherited descriptors",
        "secrets",
        python("""
            import os, socket
            for fd in range(3, 1024):
                try: kind = os.readlink(f'/proc/self/fd/{fd}')
                except OSError: continue
                if kind.startswith(('/proc/', '/usr/lib', '/tmp/sh-thd')): continue
                print('OPEN', fd, kind)
                try: os.write(fd, b'hello'); print('WROTE', fd)
                except OSError: pass
        """),
        _NOT_OPEN,
    ),
    _one(
        "C35",
        "Devices",
        "proc",
        python("""
            import os
            for name in os.listdir('/dev'):
                if name in {'null', 'zero', 'full', 'random', 'urandom', 'tty', 'ptmx', 'stdin', 'stdout', 'stderr'}: continue
                path = f'/dev/{name}'
                if os.path.isdir(path): continue
                try: os.close(os.open(path, os.O_RDONLY | os.O_NONBLOCK)); print('OPEN', path)
                except OSError: pass
            for mode, device in ((0o020666, (1, 1)), (0o060666, (8, 0)), (0o020666, (10, 232))):
                try: os.mknod('{WT}/node', mode, os.makedev(*device)); print('OPEN mknod', device); os.unlink('{WT}/node')
                except OSError: pass
        """),
        _NOT_OPEN,
        never_bare="to open a device may start it",
    ),
    _one(
        "C36",
        "Raw sockets and datagrams of other kinds",
        "network",
        python("""
            import socket
            for name, words in {'raw': (2, 3, 1), 'raw6': (10, 3, 58), 'packet': (17, 2, 0), 'netfilter': (16, 3, 12),
                    'audit': (16, 3, 9), 'uevent': (16, 3, 15), 'generic': (16, 3, 16), 'bluetooth': (31, 3, 1), 'xdp': (44, 3, 0),
                    'can': (29, 3, 1), 'rds': (21, 5, 0), 'tipc': (30, 1, 0), 'smc': (43, 1, 0), 'qipcrtr': (42, 2, 0)}.items():
                try: socket.socket(*words); print('OPEN', name)
                except OSError: pass
        """),
        _NOT_OPEN,
    ),
    _one(
        "C37",
        "System V memory and message queues of the host",
        "secrets",
        python("""
            import ctypes, os
            l = ctypes.CDLL(None, use_errno=True)
            l.shmat.restype = ctypes.c_void_p
            one = l.shmget({SHMKEY}, 0, 0)
            if one >= 0:
                place = l.shmat(one, None, 0o10000)
                if place not in (None, ctypes.c_void_p(-1).value): print(ctypes.string_at(place).decode())
        """)
        + "ipcs -m 2>/dev/null; cat /proc/sysvipc/shm; true",
        _NOT_SEEN,
    ),
    _one(
        "C42",
        "Which processes and which shared memory the host has",
        "proc",
        "tr '\\0' ' ' < /proc/{PID}/cmdline; cat /proc/{PID}/comm; cat /proc/sysvipc/shm; true",
        '! grep -qE "sleep|\\b$(({SHMKEY}))\\b" "$OUTPUT"',
    ),
    _one(
        "C38",
        "The user's repository by git itself",
        "git",
        "cd {MAIN} 2>/dev/null && git config core.fsmonitor 'touch {OUT}/PWNED'; git -C {MAIN} commit -q --allow-empty -m x; "
        "git -C {WT} push -q {MAIN} HEAD:refs/heads/evil; git -C {WT} push -q --force origin HEAD:refs/heads/main; "
        "rm -rf {MAIN}/.git/refs {MAIN}/.git/objects; true",
        'git -C {MAIN} fsck --strict >/dev/null 2>&1 && [ -z "$(git -C {MAIN} for-each-ref refs/heads/evil)" ] && '
        '! grep -q fsmonitor {MAIN}/.git/config && [ "$(git -C {MAIN} rev-list --count HEAD)" = 1 ]',
    ),
    _on_terminal(
        "C39",
        "A terminal's input written to by the command",
        "terminal",
        "python3 /dev/fd/3 3<<'E'\n"
        + dedent("""
            import os, fcntl, termios
            if os.fork() == 0:
                os.setsid()
                try: fcntl.ioctl(0, termios.TIOCSCTTY, 1)
                except OSError: pass
                for c in b'touch {OUT}/PWNED\\n':
                    try: fcntl.ioctl(0, termios.TIOCSTI, bytes([c])); print('OPEN')
                    except OSError: break
                os._exit(0)
            os.wait()
        """)
        + "E\n",
        _NOT_OPEN,
    ),
    _one(
        "C40",
        "Files of the system that name people, machines and mounts",
        "fs-read",
        "cat /etc/shadow /etc/gshadow /etc/ssh/ssh_host_* /etc/machine-id /etc/sudoers /var/log/* 2>/dev/null | head -c 1000 | grep -q . && echo OPEN; "
        "grep -q captain-redteam /etc/passwd && echo OPEN; true",
        _NOT_OPEN,
    ),
)
