"""Hostile programs in the sandbox: each is contained, and none passes for one that has kept its tests.

A program that passes here has found nothing: it asserts itself that every way out was closed.
"""

from __future__ import annotations

import os
import select
import shutil
import signal
import socket
import struct
import subprocess
import sys
import textwrap
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from forgetless.errors import TaskError
from forgetless.tasks.sandbox import Ending, Limits, Program, require_sandbox, run_all, run_program, running
from without_sandbox import without_sandbox

BRIEF = Limits(cpu_seconds=0.2)
SHORT = Limits(cpu_seconds=0.5, memory_bytes=256 << 20, scratch_bytes=1 << 20, scratch_files=64)


@pytest.fixture(autouse=True)
def _sandbox(request: pytest.FixtureRequest) -> None:
    problem = running._problem()
    if problem is not None and "refused" not in request.node.name:
        without_sandbox(problem)


def run(program: str, tests: str = "", limits: Limits = SHORT) -> Ending:
    return run_program(Program((textwrap.dedent(program),), textwrap.dedent(tests)), limits, field="keep.code.task")


HELD = """
import ctypes, os, shutil, socket, subprocess, threading
libc = ctypes.CDLL(None, use_errno=True)
def call(number, *arguments):
    if libc.syscall(number, *arguments) == -1:
        raise OSError(ctypes.get_errno(), "refused")
escaped = []
for attempt in %s:
    try:
        attempt()
    except (OSError, RuntimeError):
        continue
    escaped.append(attempt.__code__.co_firstlineno)
assert not escaped, escaped
"""


def held(attempts: str) -> str:
    """A program in which `attempts` is a list of functions, none of which may succeed."""
    return HELD % attempts


def test_tests_decide_and_the_ending_says_why() -> None:
    add = "def add(a, b):\n    return a + b"
    assert run(add, "assert add(1, 2) == 3") == Ending(True, "passed")
    assert run(add, "assert add(1, 2) == 4, 'four'") == Ending(False, "AssertionError: four")
    assert run("def add(a, b:").words.startswith("SyntaxError")
    assert run("import numpy").words.startswith("ModuleNotFoundError")


def test_the_first_alternative_that_compiles_is_run() -> None:
    program = Program(("x = (", "x = 1", "x = 2"), "assert x == 1")
    assert run_program(program, SHORT, field="").passed


def test_a_program_is_not_called_as_a_script_and_finds_its_classes_again() -> None:
    program = """
        import dataclasses, pickle, typing
        @dataclasses.dataclass
        class Point:
            x: "int"
        assert pickle.loads(pickle.dumps(Point(1))) == Point(1)
        assert typing.get_type_hints(Point) == {"x": int}
        if __name__ == "__main__":
            raise RuntimeError
    """
    assert run(program).passed


def test_many_run_in_order_and_tell_how_far_they_are() -> None:
    programs = [Program((f"x = {n}",), "assert x % 2 == 0") for n in range(5)]
    told: list[tuple[int, int]] = []
    endings = run_all(programs, SHORT, field="", progress=lambda done, n: told.append((done, n)))
    assert [ending.passed for ending in endings] == [True, False, True, False, True]
    assert told == [(n, 5) for n in range(1, 6)]


# What it may start and use up


def test_no_process_thread_or_program_is_started() -> None:
    attempts = """[
        lambda: os.fork(),
        lambda: os.posix_spawn("/usr/lib/x", ["x"], {}),
        lambda: subprocess.run(["true"]),
        lambda: os.execv("/usr/lib/x", ["x"]),
        lambda: threading.Thread(target=print).start(),
    ]"""
    assert run(held(attempts)).passed


def test_a_fork_bomb_spends_its_own_time_only() -> None:
    bomb = """
        import os
        while True:
            try:
                if os.fork() == 0:
                    continue
            except OSError:
                pass
    """
    assert run(bomb, limits=BRIEF).words == "out of time"


def test_nothing_is_left_behind_as_a_daemon() -> None:
    daemon = """
        import os
        if os.fork() == 0:
            os.setsid()
            if os.fork() == 0:
                while True:
                    pass
    """
    assert run(daemon).words.startswith("PermissionError")


@pytest.mark.parametrize(
    "bomb",
    ["x = [0]\nwhile True:\n    x = x + x", "import mmap\nmmap.mmap(-1, 1 << 40)", "'x' * (1 << 40)"],
)
def test_memory_is_limited(bomb: str) -> None:
    assert run(bomb).words.split(":")[0] in ("MemoryError", "OSError")


def test_no_memory_is_had_beside_the_limit() -> None:
    attempts = """[
        lambda: os.memfd_create("x"),
        lambda: call({"x86_64": 29, "aarch64": 194}[os.uname().machine], 0, 1 << 20, 0o1600),
    ]"""
    assert run(held(attempts)).passed


@pytest.mark.parametrize(
    "forever",
    [
        "while True:\n    pass",
        "import time\ntime.sleep(1e6)",
        "while True:\n    print('x' * 4096)",
        "import signal\nfor n in set(signal.valid_signals()) - {9, 19}:\n    signal.signal(n, signal.SIG_IGN)\n"
        "while True:\n    pass",
        "try:\n    while True:\n        pass\nexcept BaseException:\n    while True:\n        pass",
        "import os\nfor n in range(3, 64):\n    try:\n        while True:\n            os.write(n, b'x' * 4096)\n"
        "    except OSError:\n        pass\nwhile True:\n    pass",
        "import os, signal\nwhile True:\n    os.kill(os.getpid(), signal.SIGSTOP)",
    ],
)
def test_what_never_ends_is_ended(forever: str) -> None:
    started = time.monotonic()
    assert run(forever, limits=BRIEF) == Ending(False, "out of time")
    assert time.monotonic() - started < 20


def test_computing_time_ends_before_the_clock_does() -> None:
    ending = run("while True:\n    pass", limits=Limits(cpu_seconds=1))
    # On a busy machine the clock may be first.
    assert ending.words in ("out of computing time", "out of time")


def test_scratch_is_limited_in_bytes_and_files_and_thrown_away() -> None:
    fill = """
        import os
        assert os.getcwd() == "/scratch" and os.listdir() == []
        written = 0
        try:
            for n in range(10_000):
                with open(f"{n}", "wb") as file:
                    written += file.write(bytes(1 << 16))
        except OSError:
            pass
        assert written <= 1 << 20, written
        try:
            for n in range(10_000):
                os.mkdir(f"folder {n}")
        except OSError:
            pass
        assert len(os.listdir()) <= 64
    """
    assert run(fill) == run(fill) == Ending(True, "passed")


def test_one_file_is_limited_and_so_is_how_many_are_open() -> None:
    program = """
        import resource
        opened = []
        try:
            while True:
                opened.append(open("/dev/null"))
        except OSError:
            pass
        assert len(opened) < 64
        for name in (resource.RLIMIT_NOFILE, resource.RLIMIT_CPU, resource.RLIMIT_AS, resource.RLIMIT_CORE):
            soft, hard = resource.getrlimit(name)
            assert soft == hard
            try:
                resource.setrlimit(name, (hard + 1, hard + 1))
            except ValueError:
                continue
            raise AssertionError(name)
    """
    assert run(program).passed


# What it may see and reach


def test_nothing_but_the_library_can_be_read(tmp_path: Path) -> None:
    secret = tmp_path / "run" / "recipe.yaml"
    secret.parent.mkdir()
    secret.write_text("secret")
    secret.chmod(0o644)
    paths = [secret, Path(__file__), running.__file__, Path.cwd(), Path.home(), "/etc/passwd", "/etc/hostname", "/tmp",
             "/proc/self/environ", "/proc/1/mem", "/sys", "/var", "/dev/shm", "/dev/mem", sys.executable]  # fmt: skip
    base = Path(sys.base_prefix)
    program = f"""
        import os
        found = []
        for path in {[str(path) for path in paths]}:
            # Folders on the way to Python's library are there, and hold nothing else.
            if os.path.isfile(path) or (os.path.isdir(path) and not {str(base)!r}.startswith(path)):
                found.append(path)
        assert not found, found
        seen = [os.path.join(at, name) for at, _, names in os.walk({str(base)!r}) for name in names]
        assert seen
        assert not [path for path in seen if path.endswith(("recipe.yaml", ".pth")) or "forgetless" in path]
        assert not os.environ, os.environ
    """
    assert run(program, limits=Limits(cpu_seconds=5)) == Ending(True, "passed")


def test_nothing_outside_is_written_or_removed(tmp_path: Path) -> None:
    kept = tmp_path / "kept.txt"
    kept.write_text("kept")
    for folder in (tmp_path, *tmp_path.parents[:2]):
        folder.chmod(0o777)
    attempts = f"""[
        lambda: open({str(tmp_path / "new")!r}, "w"),
        lambda: os.remove({str(kept)!r}),
        lambda: shutil.rmtree({str(tmp_path)!r}),
        lambda: os.mkdir("/new"),
        lambda: open(os.__file__, "a"),
        lambda: os.remove(os.__file__),
        lambda: os.chmod(os.__file__, 0o777),
        lambda: os.symlink("/", "/lib/x"),
        lambda: open("/dev/sda"),
        lambda: os.mknod("disk", 0o60666, os.makedev(254, 0)),
        lambda: os.chroot("."),
        lambda: call({{"x86_64": 165, "aarch64": 40}}[os.uname().machine], b"none", b".", b"tmpfs", 0, None),
        lambda: call({{"x86_64": 272, "aarch64": 97}}[os.uname().machine], 0x10000000),
    ]"""
    assert run(held(attempts)).passed
    assert kept.read_text() == "kept"
    assert [path.name for path in tmp_path.iterdir()] == ["kept.txt"]


@pytest.fixture
def listening() -> Iterator[tuple[int, str, list[socket.socket]]]:
    """A TCP port, an abstract name, and the sockets that listen there."""
    name = f"forgetless-{os.getpid()}"
    with socket.create_server(("127.0.0.1", 0)) as tcp, socket.socket(socket.AF_UNIX) as unix:
        unix.bind(f"\0{name}")
        unix.listen()
        yield tcp.getsockname()[1], name, [tcp, unix]


def test_no_socket_is_opened(listening: tuple[int, str, list[socket.socket]]) -> None:
    port, name, sockets = listening
    attempts = f"""[
        lambda: socket.create_connection(("127.0.0.1", {port}), timeout=1),
        lambda: socket.create_connection(("1.1.1.1", 53), timeout=1),
        lambda: socket.socket(socket.AF_INET, socket.SOCK_DGRAM).sendto(b"x", ("127.0.0.1", {port})),
        lambda: socket.socket(socket.AF_UNIX).connect("\\0{name}"),
        lambda: socket.socket(socket.AF_NETLINK, socket.SOCK_RAW),
        lambda: socket.socket(40, socket.SOCK_STREAM),
        lambda: call(425, 8, 0),
    ]"""
    assert run(held(attempts)).passed
    assert select.select(sockets, [], [], 0) == ([], [], [])


def test_no_other_process_is_killed_stopped_or_traced() -> None:
    own = os.getpid()
    program = f"""
        import ctypes, os, signal
        assert os.getppid() == 1
        for target in (1, -1, {own}, {os.getppid()}, -{os.getpgid(own)}):
            for number in (signal.SIGINT, signal.SIGTERM, signal.SIGKILL, signal.SIGSTOP):
                try:
                    os.kill(target, number)
                except ProcessLookupError:
                    pass
        number = {{"x86_64": 101, "aarch64": 117}}[os.uname().machine]
        for target in (1, {own}):
            assert ctypes.CDLL(None).syscall(number, 16, target, 0, 0) == -1
    """
    assert run(program).passed


def test_killing_its_own_group_kills_nothing_else() -> None:
    assert run("import os, signal\nos.killpg(0, signal.SIGKILL)").words == "killed by SIGKILL"


def test_who_starts_the_sandbox_takes_it_along() -> None:
    job = running._job(Program(("import time\ntime.sleep(1e6)",), ""), Limits())
    process = subprocess.Popen(
        [sys.executable, "-s", "-S", "-P", str(running._CELL)], stdin=subprocess.PIPE, stdout=subprocess.PIPE, cwd="/"
    )
    assert process.stdin is not None
    assert process.stdout is not None
    with process:
        process.stdin.write(job)
        process.stdin.flush()
        time.sleep(1.0)
        process.send_signal(signal.SIGKILL)
        # The pipe is closed once its last holder, the keeper of time, has gone.
        assert select.select([process.stdout], [], [], 10)[0]
        assert process.stdout.read() == b""
        process.stdin.close()


# Whether it can be taken for one that passed


@pytest.mark.parametrize(
    "fraud",
    [
        "import os\nos._exit(0)",
        "import sys\nsys.exit(0)",
        "raise SystemExit",
        "import os, signal\nos.kill(os.getpid(), signal.SIGKILL)",
        "print('passed')\nprint('ready')",
        "import os\nfor n in range(64):\n    try:\n        os.write(n, b'ready')\n        os.write(n, b'passed')\n"
        '        os.write(n, b\'{"code": 0, "said": "ready"}\')\n    except OSError:\n        pass\nos._exit(0)',
        "def check(candidate):\n    pass",
        "import builtins\nbuiltins.AssertionError = Warning\nbuiltins.exec = builtins.compile = print",
        "import builtins\nbuiltins.abs = lambda x: 4",
        "import os\nos.write = os.read = lambda *_: None\nos._exit = print",
        "import sys\nmain = sys.modules['__main__']\nfor name in vars(main).copy():\n    setattr(main, name, print)",
        "import atexit, os\natexit.register(os._exit, 0)",
        "import sys\nsys.excepthook = lambda *_: None",
        "def answer():\n    import os\n    os._exit(0)",
        "def answer():\n    raise SystemExit(0)",
    ],
)
def test_no_fraud_passes(fraud: str) -> None:
    tests = (
        "def check(candidate):\n    assert candidate() == abs(-4) == 4\nanswer = globals().get('answer')\ncheck(answer)"
    )
    assert not run(fraud, tests).passed


def test_built_in_functions_are_put_back_before_the_tests() -> None:
    assert run("import builtins\nbuiltins.sum = lambda _: 4", "assert sum([1]) == 1").passed


# Whether there is one


@pytest.mark.parametrize(("system", "machine"), [("darwin", "arm64"), ("win32", "AMD64"), ("linux", "riscv64")])
def test_other_systems_are_refused(monkeypatch: pytest.MonkeyPatch, system: str, machine: str) -> None:
    monkeypatch.setattr(sys, "platform", system)
    monkeypatch.setattr("platform.machine", lambda: machine)
    running._problem.cache_clear()
    with pytest.raises(TaskError, match="cannot contain code") as refused:
        require_sandbox("keep.code.task")
    assert refused.value.field == "keep.code.task.allow_code_execution"
    running._problem.cache_clear()


def wrapper(folder: Path, *lines: str) -> str:
    path = folder / "python"
    path.write_text("#!/bin/sh\n" + "\n".join(lines))
    path.chmod(0o755)
    return str(path)


def test_a_machine_that_cannot_contain_is_refused(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    for lines, said in (
        (("cat > /dev/null", "echo 'network apart: refused' >&2", "exit 3"), "network apart: refused"),
        (("cat > /dev/null", "echo 'no libpython' >&2", "exit 1"), "no libpython"),
    ):
        monkeypatch.setattr(sys, "executable", wrapper(tmp_path, *lines))
        with pytest.raises(TaskError, match=said):
            run("x = 1")


@pytest.mark.skipif(not (shutil.which("setpriv") and shutil.which("unshare")), reason="needs util-linux")
def test_a_kernel_that_gives_no_namespaces_is_refused_by_name(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    forbid = "echo 0 > /proc/sys/user/max_user_namespaces"
    drop = f"exec setpriv --bounding-set=-sys_admin --inh-caps=-all {sys.executable}"
    inside = wrapper(tmp_path, f"{forbid} || exit 9", f'{drop} "$@"')
    outside = tmp_path / "outside"
    outside.mkdir()
    monkeypatch.setattr(sys, "executable", wrapper(outside, f'exec unshare --user --map-root-user {inside} "$@"'))
    code, told, problem = running._in_cell(running._job(Program(("x = 1",), ""), SHORT), 20)
    if code != 3:
        pytest.skip(f"namespaces cannot be forbidden here: {problem}")
    assert told is None
    assert problem == "network, files and processes apart (`unshare`): No space left on device"
    with pytest.raises(TaskError, match="`unshare`"):
        run("x = 1")


@pytest.mark.skipif(shutil.which("setpriv") is None, reason="needs util-linux")
def test_without_privileges_a_user_namespace_contains(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    if os.geteuid() == 0:
        drop = "exec setpriv --bounding-set=-sys_admin,-setuid,-setgid --inh-caps=-all"
        monkeypatch.setattr(sys, "executable", wrapper(tmp_path, f'{drop} {sys.executable} "$@"'))
    try:
        assert run("x = 1", "assert x == 1").passed
    except TaskError as error:
        pytest.skip(f"no user namespaces here: {error.rule}")
    program = """
        import os
        assert os.getuid() == 65534 and os.getpid() == 2 and not os.path.exists("/etc")
        assert os.listdir("/scratch") == []
        open("/scratch/mine", "w").close()
    """
    assert run(program).passed
    assert run(
        held("[lambda: os.setuid(0), lambda: open('/new', 'w'), lambda: os.fork(), lambda: socket.socket()]")
    ).passed


def test_a_job_without_an_end_is_no_job() -> None:
    code, told, _ = running._in_cell(struct.pack(">Q", 100) + b"{}", 20)
    assert (code, told) == (3, None)
