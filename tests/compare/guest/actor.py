# SPDX-License-Identifier: GPL-2.0
"""A process that calls verbs when another process asks for it.

An actor is forked, not executed, for a new Python interpreter takes seconds under
emulation. Between two calls it sleeps, so nothing of its objects changes.
"""

import ctypes
import os
import pickle
import select
import signal
import threading
import time
from collections.abc import Callable, Sequence
from typing import Any, BinaryIO

from tests.rdma.verbs import Verbs

PR_SET_NAME = 15
PR_SET_PDEATHSIG = 1
SYS_EXIT = 60       # ends a thread, on x86_64

EXECUTED = "/usr/bin/busybox"

_libc = ctypes.CDLL(None, use_errno=True)


def _send(file: BinaryIO, value: object) -> None:
    pickle.dump(value, file)
    file.flush()


class Actor:
    """The handle of an actor, with all methods of Verbs. Their errors are raised here.

    The new process first calls before, e.g. to enter a namespace. With wrap it forks
    after that, to be in a new PID namespace.
    """

    LIMIT = 120     # seconds that any call may take

    def __init__(self, name: str, before: Callable[[], object] | None = None,
                 wrap: bool = False) -> None:
        self.name = name
        ask, our_ask = os.pipe()
        our_answer, answer = os.pipe()
        self._child: int | None = os.fork()
        if not self._child:
            try:
                # Also the ends of other actors' pipes, or those would miss their end.
                for fd in map(int, os.listdir("/proc/self/fd")):
                    if fd > 2 and fd not in (ask, answer):
                        _libc.close(fd)
                self._live(ask, answer, before, wrap)
            finally:
                os._exit(1)
        os.close(ask)
        os.close(answer)
        self._ask: BinaryIO = os.fdopen(our_ask, "wb")
        self._answer: BinaryIO = os.fdopen(our_answer, "rb")
        self.pid: int | None = self._reply()

    def _live(self, ask: int, answer: int, before: Callable[[], object] | None, wrap: bool) -> None:
        # It ends with its parent.
        _libc.prctl(PR_SET_PDEATHSIG, signal.SIGKILL)
        _libc.prctl(PR_SET_NAME, self.name.encode())
        if before:
            before()
        if wrap:
            child = os.fork()
            if child:
                os.close(ask)
                os.close(answer)
                os.waitpid(child, 0)
                return
            _libc.prctl(PR_SET_PDEATHSIG, signal.SIGKILL)
        file = os.fdopen(answer, "wb")
        _send(file, (None, self._own_pid()))
        self._serve(Verbs(), os.fdopen(ask, "rb"), file)

    @staticmethod
    def _own_pid() -> int:
        """The pid of this process in the outermost PID namespace."""
        with open("/proc/self/stat", encoding="ascii") as stat:
            return int(stat.read().split()[0])

    @classmethod
    def _serve(cls, verbs: Verbs, ask: BinaryIO, answer: BinaryIO) -> None:
        """Does the calls until the pipe is closed."""
        while True:
            try:
                method, arguments = pickle.load(ask)
            except EOFError:
                os._exit(0)
            try:
                if method == "fork":
                    ask, answer = cls._fork(arguments[0], ask, answer)
                elif method == "exec":
                    cls._exec(verbs, *arguments)
                elif method == "leave":
                    cls._leave(verbs, ask, answer)
                else:
                    _send(answer, (None, getattr(verbs, method)(*arguments)))
            except OSError as error:
                _send(answer, (str(error.strerror), None))

    @classmethod
    def _fork(cls, name: str, ask: BinaryIO, answer: BinaryIO) -> tuple[BinaryIO, BinaryIO]:
        """Forks. The new process waits for calls of its own."""
        theirs, our_ask = os.pipe()
        our_answer, their_answer = os.pipe()
        # Nobody waits for the child.
        signal.signal(signal.SIGCHLD, signal.SIG_IGN)
        if os.fork():
            # The other side opens these to call the child.
            os.close(theirs)
            os.close(their_answer)
            _send(answer, (None, (our_ask, our_answer)))
            return ask, answer
        ask.close()
        answer.close()
        os.close(our_ask)
        os.close(our_answer)
        _libc.prctl(PR_SET_NAME, name.encode())
        answer = os.fdopen(their_answer, "wb")
        _send(answer, (None, cls._own_pid()))
        return os.fdopen(theirs, "rb"), answer

    @staticmethod
    def _exec(verbs: Verbs, caller: str, first: Sequence[Any]) -> None:
        """Calls exec in the leader or in another thread, which calls a method first. Files of
        RDMA stay open, others do not."""
        def become() -> None:
            if first:
                getattr(verbs, first[0])(*first[1:])
            for fd in map(int, os.listdir("/proc/self/fd")):
                if os.path.realpath(f"/proc/self/fd/{fd}").startswith("/dev/infiniband/"):
                    os.set_inheritable(fd, True)
            os.execv(EXECUTED, ["sleep", "1000000"])

        if caller == "thread":
            work = threading.Thread(target=become)
            work.start()
            work.join()
        else:
            become()

    @classmethod
    def _leave(cls, verbs: Verbs, ask: BinaryIO, answer: BinaryIO) -> None:
        """Ends the first thread; another one goes on."""
        first = threading.get_native_id()

        def go_on() -> None:
            while True:
                with open(f"/proc/self/task/{first}/stat", encoding="ascii") as stat:
                    if stat.read().rpartition(")")[2].split()[0] == "Z":
                        break
            _send(answer, (None, None))
            cls._serve(verbs, ask, answer)

        threading.Thread(target=go_on).start()
        _libc.syscall(SYS_EXIT, 0)

    def fork(self, name: str) -> "Actor":
        """A child of the actor, with all that the actor has open."""
        ask, answer = self._call("fork", name)
        other = object.__new__(Actor)
        other.name, other.pid, other._child = name, None, None
        other._ask = open(f"/proc/{self.pid}/fd/{ask}", "wb")
        other._answer = open(f"/proc/{self.pid}/fd/{answer}", "rb")
        other.pid = other._reply()
        return other

    def execute(self, caller: str, first: Sequence[Any] = ()) -> None:
        """Has it call exec, in its leader or in another thread, which calls a method first. The
        new program keeps the files of RDMA and only sleeps."""
        _send(self._ask, ("exec", (caller, first)))
        # exec closes this.
        if not select.select([self._answer], [], [], self.LIMIT)[0] or self._answer.read(1):
            raise RuntimeError(f"{self.name} has not called exec")
        end = time.monotonic() + self.LIMIT
        while time.monotonic() < end:
            with open(f"/proc/{self.pid}/comm", encoding="ascii") as file:
                if file.read().strip() == os.path.basename(EXECUTED):
                    return
        raise RuntimeError(f"{self.name} still has its old name")

    def leave(self) -> None:
        """Ends only its first thread."""
        self._call("leave")

    def _call(self, method: str, *arguments: Any) -> Any:
        _send(self._ask, (method, arguments))
        return self._reply()

    def _reply(self) -> Any:
        if not select.select([self._answer], [], [], self.LIMIT)[0]:
            self.kill()
            raise RuntimeError(f"{self.name} did not answer in {self.LIMIT} s")
        try:
            error, value = pickle.load(self._answer)
        except EOFError:
            raise RuntimeError(f"{self.name} has died") from None
        if error is not None:
            raise OSError(0, error)
        return value

    def __getattr__(self, method: str) -> Callable[..., Any]:
        if not hasattr(Verbs, method):
            raise AttributeError(method)
        return lambda *arguments: self._call(method, *arguments)

    def kill(self, number: int = signal.SIGKILL) -> None:
        """Ends it by a signal, and waits until it has ended."""
        pid = getattr(self, "pid", None) or self._child
        if not pid:
            return
        try:
            os.kill(pid, number)
        except ProcessLookupError:
            pass
        if self._child:
            os.waitpid(self._child, 0)
            self._child = None
        else:
            self._wait_until_gone(pid)
        self.pid = None

    @staticmethod
    def _wait_until_gone(pid: int) -> None:
        """Waits for the end of a process that is not a child."""
        try:
            fd = os.pidfd_open(pid)
        except ProcessLookupError:
            return
        select.select([fd], [], [], Actor.LIMIT)
        os.close(fd)

    def exit(self) -> None:
        """Ends it as a program ends that destroys nothing."""
        self._ask.close()
        if self._child:
            os.waitpid(self._child, 0)
            self._child = None
        self.pid = None
