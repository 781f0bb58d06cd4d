"""Worker processes, and how they share the machine's processor cores."""

import multiprocessing
import os
import signal
import threading
from multiprocessing import resource_tracker
from multiprocessing.process import BaseProcess

MOST_WORKERS = 4


def cores() -> list[int]:
    """The numbers of the processor cores that this process may use."""
    if hasattr(os, "sched_getaffinity"):
        return sorted(os.sched_getaffinity(0))
    return list(range(os.cpu_count() or 1))


def default_workers() -> int:
    """How many workers are fast where nobody says how many: one a core, at most 4.

    These networks are too small for several cores to share one well; but each worker holds a
    gigabyte or two.
    """
    return min(len(cores()), MOST_WORKERS)


def threads_each(workers: int) -> int:
    """How many threads each of so many workers has, at least 1."""
    return max(1, len(cores()) // workers)


def share_cores(number: int, workers: int) -> None:
    """Keep this process, the `number`th worker from 0, to its share of the cores."""
    mine, threads = cores(), threads_each(workers)
    if workers > 1:
        first = number * threads % len(mine)
        if hasattr(os, "sched_setaffinity"):
            # XLA takes a thread for each core it may use, and reads no variable
            os.sched_setaffinity(0, mine[first : first + threads])
        for variable in ("OMP_NUM_THREADS", "TF_NUM_INTRAOP_THREADS", "TF_NUM_INTEROP_THREADS"):
            os.environ[variable] = str(threads)
        # Else the first would take an accelerator's whole memory
        os.environ.setdefault("TF_FORCE_GPU_ALLOW_GROWTH", "true")
        os.environ.setdefault("XLA_PYTHON_CLIENT_PREALLOCATE", "false")


def start_worker(process: BaseProcess) -> None:
    """Start a worker whole: Ctrl-C and SIGTERM are handled after that, not in the middle of it.

    The worker itself does not hear Ctrl-C, which a terminal sends to each process.
    """
    heard: list[int] = []
    numbers = (signal.SIGINT, signal.SIGTERM)
    # It unblocks the signals after it has started, so it must not start below
    resource_tracker.ensure_running()
    # A mask is not enough in this process: another thread of it may take the signal
    before = {number: signal.signal(number, lambda n, _: heard.append(n)) for number in numbers}
    mask = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT})
    try:
        process.start()
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, mask)
        for number, handler in before.items():
            signal.signal(number, handler)
        for signum in heard:
            signal.raise_signal(signum)


def become_worker(number: int, workers: int) -> None:
    """Make this process the `number`th worker from 0: it shares cores, and ends with the command.

    It works only before a numerical library starts its threads.
    """
    threading.Thread(target=_end_with_command, daemon=True).start()
    share_cores(number, workers)


def _end_with_command() -> None:
    if (command := multiprocessing.parent_process()) is not None:
        command.join()
        os._exit(1)
