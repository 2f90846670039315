"""The first process gives orders, the others follow.

An order is a function, what it is about (a model, mostly, which stays with every process under a key), and arguments.
Every process runs the function with its own part of the work; the first one hears what all of them found. Between two
orders the others wait, so nothing that the first process decides by its clock or by its files can set them apart.
"""

from __future__ import annotations

import contextlib
import functools
import itertools
import os
import traceback
from collections import OrderedDict
from collections.abc import Callable, Iterable, Iterator
from datetime import timedelta
from typing import Any, NamedTuple, ParamSpec, TypeVar, cast

import torch
import torch.distributed as dist

from forgetless.errors import ResourceError

from .carry import receive, send

P = ParamSpec("P")
R = TypeVar("R")
T = TypeVar("T")

_PATIENCE = timedelta(days=14)
"""How long a process waits for the next order: as long as a run may take."""

_THINGS_KEPT = 2
"""How many things that were sent stay with a process: the base, and the model that is compared with it."""


class Part(NamedTuple):
    """Which batches of shared work are a process' own: every `of`-th, from `number` on."""

    number: int
    of: int

    def of_batches(self, batches: Iterable[T]) -> Iterator[T]:
        """Its own of all batches, which are cut the same way everywhere."""
        return itertools.islice(batches, self.number, None, self.of)


ALL = Part(0, 1)
"""The part of whoever works alone."""


class _Order(NamedTuple):
    key: str
    function: Callable[..., Any]
    arguments: tuple[Any, ...]
    in_step: bool


class _End(NamedTuple):
    result: Any
    failed: bool


class _Failure(NamedTuple):
    process: int
    text: str


class Crew:
    """The processes of a run, seen from one of them. A run in one process is a crew of one.

    Attributes:
        part: The process' own part of shared work.
    """

    def __init__(self, part: Part) -> None:
        self.part = part
        self._sent: OrderedDict[str, Any] = OrderedDict()
        self._offered: dict[str, Any] = {}
        self._in_step = False

    @property
    def size(self) -> int:
        """How many processes there are."""
        return self.part.of

    @contextlib.contextmanager
    def offering(self, key: str, thing: Any) -> Iterator[None]:
        """For a while this process has a thing that need not be sent to it."""
        self._offered[key] = thing
        try:
            yield
        finally:
            del self._offered[key]

    def order(
        self,
        key: str,
        thing: Any,
        function: Callable[..., Any],
        *arguments: Any,
        own: Callable[[], Any],
        in_step: bool = False,
    ) -> list[Any]:
        """Have every process do its part; what each gives back, in the order of the ranks.

        Args:
            key: Says which thing it is: a process that has one of this key is not sent it again.
            thing: What it is about; the first process' own.
            function: What the others run, as `function(thing, part, *arguments)`; of a module, so that it has a name.
            arguments: Whatever can be pickled.
            own: What the first process runs.
            in_step: They talk to each other while they work, so the fall of one is the fall of all, and only what the
                first one gives back is heard.

        Raises:
            ResourceError: Another process failed.
        """
        if self.size == 1:
            return [own()]
        dist.broadcast_object_list([_Order(key, function, arguments, in_step)])
        lacking: list[Any] = [None] * self.size
        dist.all_gather_object(lacking, False)
        if any(lacking):
            send(thing)
        if in_step:
            self._in_step = True
            found = [own()]
            self._in_step = False
            return found
        found = [None] * self.size
        mine = None
        try:
            mine = own()
        finally:
            dist.gather_object(mine, found)
        for result in found:
            if isinstance(result, _Failure):
                raise ResourceError(
                    field=f"process {result.process}",
                    value=result.text.rstrip().rpartition("\n")[2],
                    rule="it failed at its part of the work",
                    way_out=f"see what it said:\n{result.text}",
                )
        return found

    def follow(self) -> Any:
        """Do what the first process orders, until it ends the run; the result of the run.

        Raises:
            SystemExit: The run failed; the first process says why.
        """
        end = self._serve()
        if end is None or end.failed:
            raise SystemExit
        return end.result

    def attend(self) -> None:
        """In the middle of an order that runs in step, do what the first process orders while `attended`."""
        if self._serve() is not None:
            raise SystemExit

    @contextlib.contextmanager
    def attended(self) -> Iterator[None]:
        """In the middle of an order that runs in step, the others do not wait for the next step but for orders."""
        self._in_step = False
        yield
        if self.size > 1:
            dist.broadcast_object_list([None])
            self._in_step = True

    def _serve(self) -> _End | None:
        while True:
            heard: list[Any] = [None]
            dist.broadcast_object_list(heard)
            order = heard[0]
            if not isinstance(order, _Order):
                return order
            self._obey(order)

    def _obey(self, order: _Order) -> None:
        lacks = order.key not in self._offered and order.key not in self._sent
        lacking: list[Any] = [None] * self.size
        dist.all_gather_object(lacking, lacks)
        if any(lacking):
            if lacks:
                while len(self._sent) >= _THINGS_KEPT:
                    self._sent.popitem(last=False)
            thing = receive()
            if lacks:
                self._sent[order.key] = thing
            del thing
        if order.key in self._sent:
            self._sent.move_to_end(order.key)
        thing = self._offered.get(order.key, self._sent.get(order.key))
        if order.in_step:
            order.function(thing, self.part, *order.arguments)
            return
        try:
            result = order.function(thing, self.part, *order.arguments)
        except Exception:  # noqa: BLE001 - told to the first process, which raises it
            result = _Failure(self.part.number, traceback.format_exc())
        dist.gather_object(result)

    def end(self, result: Any = None, *, failed: bool = False) -> None:
        """Let the others go, with the result of the run. Those who are in step hear nothing: `torchrun` ends them."""
        if not self._in_step:
            dist.broadcast_object_list([_End(result, failed)])


_current = Crew(ALL)


def crew() -> Crew:
    """The crew that this process belongs to; a crew of one unless a function of `led` is running."""
    return _current


def led(function: Callable[P, R]) -> Callable[P, R]:
    """A function that the first process runs, with the others at hand in `crew()`; all of them get its result.

    Where `torchrun` started no more than one process, or within another such function, it is the function as it is.
    The others end without a word where the first one fails.

    Raises:
        ResourceError: There are not so many GPUs on this machine, or the processes are to hold a model in shards.
    """

    @functools.wraps(function)
    def run(*arguments: P.args, **named: P.kwargs) -> R:
        if _current.size > 1 or int(os.environ.get("WORLD_SIZE", "1")) == 1:
            return function(*arguments, **named)
        with _aboard() as of_all:
            if of_all.part.number:
                return cast("R", of_all.follow())
            try:
                result = function(*arguments, **named)
            except BaseException:
                of_all.end(failed=True)
                raise
            of_all.end(result)
            return result

    return run


def refuse_ranks(what: str) -> None:
    """For what runs in one process only.

    Raises:
        ResourceError: `torchrun` started several.
    """
    processes = os.environ.get("WORLD_SIZE", "1")
    if processes != "1" and _current.size == 1:
        raise ResourceError(
            field="torchrun",
            value=f"{processes} processes",
            rule=f"{what} runs in one process; only `plan`, `train` and `compare` share their work",
            way_out="start it without `torchrun`",
        )


@contextlib.contextmanager
def _aboard() -> Iterator[Crew]:
    global _current
    if os.environ.get("ACCELERATE_USE_FSDP") == "true" or os.environ.get("ACCELERATE_USE_DEEPSPEED") == "true":
        raise ResourceError(
            field="accelerate launch",
            value="FSDP or DeepSpeed",
            rule="a model that no process holds whole cannot be measured in the middle of training",
            way_out="start the processes by `torchrun`: each holds the whole model (LoRA takes the least memory)",
        )
    if torch.cuda.is_available():
        local, seen = int(os.environ.get("LOCAL_RANK", "0")), torch.cuda.device_count()
        if local >= seen:
            raise ResourceError(
                field="torchrun --nproc-per-node",
                value=os.environ.get("LOCAL_WORLD_SIZE", local + 1),
                rule=f"every process needs a GPU of its own, and this machine shows {seen}",
                way_out=f"start {seen}",
            )
        torch.cuda.set_device(local)
    if not dist.is_initialized():
        dist.init_process_group("cpu:gloo,cuda:nccl" if torch.cuda.is_available() else "gloo", timeout=_PATIENCE)
    before, _current = _current, Crew(Part(dist.get_rank(), dist.get_world_size()))
    try:
        yield _current
    finally:
        _current = before
        dist.destroy_process_group()
