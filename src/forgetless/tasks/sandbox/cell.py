"""The inside of the sandbox: a process that locks itself up, runs one Python program, and says how it ended.

It runs as a script of its own (`python -s -S -P cell.py`), with the standard library only: nothing of the package can
be seen from inside. A job comes in on standard input (eight bytes of length, JSON, then a secret); one line of JSON
goes out. Exit code 3 says that a containment could not be had, and standard error which; nothing has run then. Exit
code 4 says that the sandbox broke while the program ran.

Three processes share the work. The first makes new namespaces and a file system of its own. Its child is the first
process of the new process namespace: it keeps the time, and whatever the program has left dies with it. The program
runs in a third, without privileges, under limits, and without the system calls that start, reach or watch anything.
"""

from __future__ import annotations

import builtins
import ctypes
import errno
import json
import os
import platform
import resource
import select
import signal
import struct
import sys
import types
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any, NoReturn

SCRATCH = "/scratch"
NOBODY = 65534
_UNCONTAINED, _BROKEN = 3, 4
_MOST_SAID = 4096
_MEBIBYTE = 1 << 20

# linux/sched.h
_CLONE_NEWUSER = 0x10000000
_NAMESPACES = 0x00020000 | 0x02000000 | 0x04000000 | 0x08000000 | 0x20000000 | 0x40000000
"""Mounts, control groups, host name, System V IPC, processes, network (which holds abstract Unix sockets too)."""

# linux/mount.h
_MS_NOSUID, _MS_NODEV, _MS_NOEXEC, _MS_BIND, _MS_REC, _MS_PRIVATE = 0x2, 0x4, 0x8, 0x1000, 0x4000, 0x40000
_MNT_DETACH = 2
_MOUNT_ATTR_RDONLY, _MOUNT_ATTR_NOSUID, _AT_FDCWD, _AT_RECURSIVE = 0x1, 0x2, -100, 0x8000
_PIVOT_ROOT = {"x86_64": 155, "aarch64": 41}
_MOUNT_SETATTR = 442

# linux/prctl.h, linux/capability.h
_PR_SET_PDEATHSIG, _PR_SET_SECCOMP, _PR_SET_NO_NEW_PRIVS = 1, 22, 38
_CAPABILITY_VERSION_3 = 0x20080522

# linux/audit.h, linux/seccomp.h, linux/bpf_common.h
_ARCHITECTURE = {"x86_64": 0xC000003E, "aarch64": 0xC00000B7}
_ALLOW, _KILL, _ERRNO = 0x7FFF0000, 0x80000000, 0x00050000
_SECCOMP_MODE_FILTER = 2
_LOAD, _IF_EQUAL, _IF_AT_LEAST, _RETURN = 0x20, 0x15, 0x35, 0x06
_X32 = 0x40000000

_DENIED: dict[str, tuple[int, int]] = {
    # Nothing is started: neither processes, nor threads, nor other programs.
    "clone": (56, 220), "fork": (57, -1), "vfork": (58, -1), "clone3": (435, 435),
    "execve": (59, 221), "execveat": (322, 281),
    # Nothing is reached: some address families (vsock) know no namespaces.
    "socket": (41, 198), "io_uring_setup": (425, 425), "io_uring_enter": (426, 426), "io_uring_register": (427, 427),
    # Nobody is watched.
    "ptrace": (101, 117), "process_vm_readv": (310, 270), "process_vm_writev": (311, 271), "pidfd_getfd": (438, 438),
    "perf_event_open": (298, 241), "bpf": (321, 280), "userfaultfd": (323, 282),
    # No memory beside what the limit counts.
    "memfd_create": (319, 279), "memfd_secret": (447, 447), "shmget": (29, 194), "semget": (64, 190),
    "msgget": (68, 186), "mq_open": (240, 180), "add_key": (248, 217), "request_key": (249, 218), "keyctl": (250, 219),
    # The namespaces stay as they are.
    "unshare": (272, 97), "setns": (308, 268), "chroot": (161, 51), "mount": (165, 40), "umount2": (166, 39),
    "pivot_root": (155, 41), "open_tree": (428, 428), "move_mount": (429, 429), "fsopen": (430, 430),
    "fsconfig": (431, 431), "fsmount": (432, 432), "fspick": (433, 433), "mount_setattr": (442, 442),
}  # fmt: skip
"""System calls that fail in the sandbox, by their numbers on x86_64 and aarch64; -1 where there is none."""

_libc = ctypes.CDLL(None, use_errno=True)


def main() -> None:
    """Contain, run, tell."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    job = _read_job()
    try:
        _die_with_parent()
        privileged = _enter_namespaces()
        _enter_root(job["scratch_bytes"], job["scratch_files"])
        keeper = os.fork()
    except OSError as error:
        _refuse(error.strerror or str(error))
    if keeper == 0:
        _keep(job, privileged)
    code = os.waitstatus_to_exitcode(os.waitpid(keeper, 0)[1])
    os._exit(code if code >= 0 else _BROKEN)


def _read_job() -> Any:
    """The job; the secret behind it stays in the pipe, so that no copy of it lies in memory while the program runs."""
    (length,) = struct.unpack(">Q", _read_exactly(8))
    return json.loads(_read_exactly(length))


def _read_exactly(length: int) -> bytes:
    read = b""
    while len(read) < length:
        piece = os.read(0, length - len(read))
        if not piece:
            _refuse("the job ends before its end")
        read += piece
    return read


# Containment


def _refuse(problem: str) -> NoReturn:
    os.write(2, problem.encode())
    os._exit(_UNCONTAINED)


@contextmanager
def _step(what: str) -> Iterator[None]:
    """Names what could not be done."""
    try:
        yield
    except OSError as error:
        raise OSError(error.errno, f"{what}: {error.strerror or error}") from None


def _call(function: Any, *arguments: Any) -> None:
    if function(*arguments) == -1:
        number = ctypes.get_errno()
        raise OSError(number, os.strerror(number))


def _system_call(number: int, *arguments: Any) -> None:
    _call(_libc.syscall, ctypes.c_long(number), *arguments)


def _mount(source: str, target: str, kind: str | None, flags: int, options: str = "") -> None:
    _call(
        _libc.mount,
        source.encode(),
        target.encode(),
        kind.encode() if kind else None,
        ctypes.c_ulong(flags),
        options.encode() or None,
    )


def _prctl(option: int, first: int, second: int | bytes = 0) -> None:
    nothing = ctypes.c_ulong(0)
    argument = second if isinstance(second, bytes) else ctypes.c_ulong(second)
    _call(_libc.prctl, option, ctypes.c_ulong(first), argument, nothing, nothing)


def _die_with_parent() -> None:
    _prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)


def _enter_namespaces() -> bool:
    """New namespaces, by privilege or through a user namespace; returns whether it was by privilege."""
    uid, gid = os.geteuid(), os.getegid()
    # The first to go when the machine runs out of memory.
    with _step("oom_score_adj"):
        _write("/proc/self/oom_score_adj", "1000")
    with _step("network, files and processes apart (`unshare`)"):
        try:
            _call(_libc.unshare, _NAMESPACES)
        except PermissionError:
            _call(_libc.unshare, _NAMESPACES | _CLONE_NEWUSER)
            _write("/proc/self/setgroups", "deny")
            _write("/proc/self/uid_map", f"{NOBODY} {uid} 1")
            _write("/proc/self/gid_map", f"{NOBODY} {gid} 1")
            return False
    return True


def _write(path: str, text: str) -> None:
    with open(path, "w", encoding="ascii") as file:
        file.write(text)


def _enter_root(scratch_bytes: int, scratch_files: int) -> None:
    """A root that holds Python's own library to read, and an empty folder in memory to write into."""
    root = "/proc"  # Exists everywhere, and nothing in it is needed any more.
    with _step("a file system apart (`mount`)"):
        _mount("none", "/", None, _MS_REC | _MS_PRIVATE)
        _mount("tmpfs", root, "tmpfs", _MS_NOSUID | _MS_NODEV, "size=1m,mode=755")
        for path in _visible():
            _place_for(path, root + path)
            _mount(path, root + path, None, _MS_BIND | _MS_REC)
        for path in _hidden():
            _mount("tmpfs", root + path, "tmpfs", _MS_NOSUID | _MS_NODEV, "size=4k,mode=755")
        os.mkdir(root + SCRATCH)
    with _step("a file system to read only (`mount_setattr`)"):
        attributes = struct.pack("QQQQ", _MOUNT_ATTR_RDONLY | _MOUNT_ATTR_NOSUID, 0, 0, 0)
        _system_call(_MOUNT_SETATTR, _AT_FDCWD, root.encode(), _AT_RECURSIVE, attributes, ctypes.c_size_t(32))
    with _step("a scratch folder (`mount`)"):
        options = f"size={scratch_bytes},nr_inodes={scratch_files},mode=1777"
        _mount("tmpfs", root + SCRATCH, "tmpfs", _MS_NOSUID | _MS_NODEV | _MS_NOEXEC, options)
    with _step("the old file system left behind (`pivot_root`)"):
        os.chdir(root)
        _system_call(_PIVOT_ROOT[platform.machine()], b".", b".")
        _call(_libc.umount2, b".", _MNT_DETACH)
        os.chdir(SCRATCH)


def _visible() -> list[str]:
    """Python's library, the shared libraries that it loads, time zones, and two devices; none inside another."""
    wanted = {"/lib", "/lib64", "/usr/lib", "/usr/lib64", "/usr/share/zoneinfo", "/dev/null", "/dev/urandom"}
    wanted |= {os.path.join(sys.base_prefix, "lib"), *sys.path}
    found: list[str] = []
    for path in sorted(path for path in wanted if os.path.isabs(path) and os.path.exists(path)):
        if not any(path.startswith(f"{outer}/") for outer in found):
            found.append(path)
    return found


def _hidden() -> list[str]:
    """Packages that are installed beside the library: the project and what it stands on."""
    beside = [os.path.join(path, name) for path in sys.path for name in ("site-packages", "dist-packages")]
    return [path for path in [*beside, "/usr/lib/python3/dist-packages"] if os.path.isdir(path)]


def _place_for(source: str, target: str) -> None:
    if os.path.isdir(source):
        os.makedirs(target, exist_ok=True)
    else:
        os.makedirs(os.path.dirname(target), exist_ok=True)
        os.close(os.open(target, os.O_CREAT | os.O_WRONLY))


def _drop_privileges(privileged: bool) -> None:
    if privileged:
        os.setgroups([])
        os.setresgid(NOBODY, NOBODY, NOBODY)
        os.setresuid(NOBODY, NOBODY, NOBODY)
    _call(_libc.capset, struct.pack("Ii", _CAPABILITY_VERSION_3, 0), struct.pack("6I", 0, 0, 0, 0, 0, 0))
    _prctl(_PR_SET_NO_NEW_PRIVS, 1)
    _die_with_parent()


def _limit(job: Any) -> None:
    limits = {
        resource.RLIMIT_CPU: job["cpu_seconds"],
        resource.RLIMIT_AS: job["memory_bytes"],
        resource.RLIMIT_FSIZE: job["scratch_bytes"],
        resource.RLIMIT_NOFILE: job["open_files"],
        resource.RLIMIT_STACK: 16 * _MEBIBYTE,
        resource.RLIMIT_NPROC: 0,
        resource.RLIMIT_CORE: 0,
        resource.RLIMIT_MEMLOCK: 0,
        resource.RLIMIT_MSGQUEUE: 0,
    }
    for name, limit in limits.items():
        hard = resource.getrlimit(name)[1]
        limit = limit if hard == resource.RLIM_INFINITY else min(limit, hard)
        resource.setrlimit(name, (limit, limit))


def _deny_system_calls() -> None:
    """A filter over system calls: those of `_DENIED` fail, and those of another architecture kill."""
    machine = platform.machine()
    column = list(_ARCHITECTURE).index(machine)
    program = [(_LOAD, 0, 0, 4), (_IF_EQUAL, 1, 0, _ARCHITECTURE[machine]), (_RETURN, 0, 0, _KILL), (_LOAD, 0, 0, 0)]
    if machine == "x86_64":
        program += [(_IF_AT_LEAST, 0, 1, _X32), (_RETURN, 0, 0, _KILL)]
    for name, numbers in _DENIED.items():
        # Told that there is no `clone3`, the C library turns to `clone`.
        failure = errno.ENOSYS if name == "clone3" else errno.EPERM
        if numbers[column] >= 0:
            program += [(_IF_EQUAL, 0, 1, numbers[column]), (_RETURN, 0, 0, _ERRNO | failure)]
    program.append((_RETURN, 0, 0, _ALLOW))
    code = ctypes.create_string_buffer(b"".join(struct.pack("HBBI", *line) for line in program))
    header = struct.pack("HxxxxxxP", len(program), ctypes.addressof(code))
    _prctl(_PR_SET_SECCOMP, _SECCOMP_MODE_FILTER, header)


# The first process of the namespace


def _keep(job: Any, privileged: bool) -> NoReturn:
    """Start the program, wait for its end or the end of its time, and tell. All processes inside die on leaving."""
    try:
        _drop_privileges(privileged)
        os.setsid()
        said, say = os.pipe()
        program = os.fork()
    except OSError as error:
        _refuse(f"privileges dropped: {error.strerror or error}")
    if program == 0:
        os.close(said)
        _become_program(job, say)
    os.close(say)
    try:
        _tell(program, said, job["wall_seconds"])
    finally:
        os._exit(_BROKEN)


def _tell(program: int, said: int, seconds: float) -> NoReturn:
    ended = bool(select.select([os.pidfd_open(program)], [], [], seconds)[0])
    code, used = None, 0.0
    if ended:
        _, status, usage = os.wait4(program, 0)
        code, used = os.waitstatus_to_exitcode(status), usage.ru_utime + usage.ru_stime
    os.set_blocking(said, False)
    try:
        words = os.read(said, _MOST_SAID).decode("utf-8", "replace")
    except BlockingIOError:
        words = ""
    if code == _UNCONTAINED and not words.startswith("ready"):
        _refuse(words)
    os.write(1, json.dumps({"code": code, "said": words, "cpu_seconds": used}).encode())
    os._exit(0)


# The program


def _become_program(job: Any, say: int) -> NoReturn:
    try:
        secret, nothing = os.dup(0), os.open(os.devnull, os.O_RDWR)
        for stream in (0, 1, 2):
            os.dup2(nothing, stream)
        os.close(nothing)
        os.environ.clear()
        try:
            _limit(job)
            _deny_system_calls()
        except (OSError, ValueError) as error:
            os.write(say, f"limits and system calls: {error}".encode())
            os._exit(_UNCONTAINED)
        os.write(say, b"ready")
        _run(job["programs"], job["tests"], secret, job["secret_bytes"], say)
    finally:
        os._exit(1)


def _run(programs: Sequence[str], tests: str, secret: int, secret_bytes: int, say: int) -> NoReturn:
    """Run the first of the programs that compiles, then the tests in its names; who comes to their end has the secret.

    What is needed afterwards is held in local names, out of the reach of a program that replaces what modules hold.
    """
    read, write, leave = os.read, os.write, os._exit
    kept, inner = dict(vars(builtins)), vars(builtins)
    module = types.ModuleType("program")
    # Not `__main__` by name, so that what a program does when it is called as a script stays undone.
    sys.modules["program"] = sys.modules["__main__"] = module
    try:
        exec(_first_that_compiles(programs), vars(module))
        inner.update(kept)
        exec(compile(tests, "<tests>", "exec", dont_inherit=True), vars(module))
    except BaseException as error:  # noqa: BLE001 - whatever a program raises is how it ended
        write(say, f"{type(error).__name__}: {error}"[:200].encode("utf-8", "replace"))
        leave(1)
    write(say, read(secret, secret_bytes))
    leave(0)


def _first_that_compiles(programs: Sequence[str]) -> types.CodeType:
    for program in programs[:-1]:
        try:
            return compile(program, "<program>", "exec", dont_inherit=True)
        except (SyntaxError, ValueError):
            continue
    return compile(programs[-1], "<program>", "exec", dont_inherit=True)


if __name__ == "__main__":
    main()
