"""Worker processes that share the machine's processor cores and end with the command."""

import contextlib
import multiprocessing
import os
import signal
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ProcessPoolExecutor, ThreadPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from typing import Any


def cores() -> list[int]:
    """The numbers of the processor cores that this process may use."""
    if hasattr(os, "sched_getaffinity"):
        return sorted(os.sched_getaffinity(0))
    return list(range(os.cpu_count() or 1))


@contextlib.contextmanager
def worker_processes(n: int) -> Iterator[Callable[..., Future[Any]]]:
    """Yield `submit(number, function, *arguments)`, which calls a function in one of `n` processes.

    The future of a process that died raises `BrokenProcessPool`; the next call starts another.
    """
    # Each is a pool of its own, so that a process that dies ends no other's work
    pools: dict[int, ProcessPoolExecutor] = {}
    # A thread starts processes, because signals do not interrupt it half-way. It blocks Ctrl-C,
    # which a terminal sends to the processes too, and they inherit that
    block = signal.SIG_BLOCK, {signal.SIGINT}
    starter = ThreadPoolExecutor(1, "", signal.pthread_sigmask, block)
    others = {*multiprocessing.active_children()}

    def submit(number: int, function: Callable[..., Any], *arguments: Any) -> Future[Any]:
        with contextlib.suppress(KeyError, BrokenProcessPool):
            return pools[number].submit(function, *arguments)
        # Not forked: a numerical library's threads do not survive that
        context = multiprocessing.get_context("spawn")
        pools[number] = ProcessPoolExecutor(1, context, _become_worker, (number, n))
        return starter.submit(pools[number].submit, function, *arguments).result()

    try:
        yield submit
    finally:
        starter.shutdown()
        for process in {*multiprocessing.active_children()} - others:
            process.kill()
        for pool in pools.values():
            pool.shutdown()


def _become_worker(number: int, workers: int) -> None:
    """Give this process its share of the cores, before a numerical library starts its threads."""
    threading.Thread(target=_end_with_command, daemon=True).start()
    if workers == 1:
        return
    mine = cores()
    threads = max(1, len(mine) // workers)
    first = number * threads % len(mine)
    if hasattr(os, "sched_setaffinity"):
        # XLA starts a thread for each core that it may use, whatever the variables below say
        os.sched_setaffinity(0, mine[first : first + threads])
    for variable in ("OMP_NUM_THREADS", "TF_NUM_INTRAOP_THREADS", "TF_NUM_INTEROP_THREADS"):
        os.environ[variable] = str(threads)
    # Else the first would take an accelerator's whole memory
    os.environ.setdefault("TF_FORCE_GPU_ALLOW_GROWTH", "true")
    os.environ.setdefault("XLA_PYTHON_CLIENT_PREALLOCATE", "false")


def _end_with_command() -> None:
    if (command := multiprocessing.parent_process()) is not None:
        command.join()
        os._exit(1)
