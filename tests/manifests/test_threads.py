"""Threads that are the first to read anything: every message's type is ready before there is a second thread."""

import gc
import importlib
import pkgutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

from msgspec import Struct

import reconciler

ROOT = Path(__file__).parents[2]
PROCESSES = 20
READING = f"""
import os, sys, threading
from pathlib import Path
from reconciler.manifests.loader import load_manifests

sys.setswitchinterval(1e-5)
for _ in range({PROCESSES}):
    if os.fork():
        continue
    gate, found = threading.Barrier(4), []
    def read():
        gate.wait()
        found.append(load_manifests([Path(sys.argv[1])]))
    threads = [threading.Thread(target=read) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    os._exit(len(found) != 4)
print([os.waitstatus_to_exitcode(os.wait()[1]) for _ in range({PROCESSES})])
"""


def test_threads_that_read_the_first_manifests_of_a_process_all_succeed() -> None:
    """Twenty processes that have read nothing yet, four threads in each, and a switch every ten microseconds."""
    path = ROOT / "examples" / "three-modes" / "manifest.yaml"
    done = subprocess.run([sys.executable, "-c", READING, path], cwd=ROOT, capture_output=True, text=True, check=True)
    assert done.stdout.strip() == str([0] * PROCESSES)


def message_types(kind: type[Struct] = Struct) -> Iterator[type[Struct]]:
    """Yield the types of messages that the package defines."""
    for found in kind.__subclasses__():
        if found.__module__.startswith("reconciler."):
            yield found
        yield from message_types(found)


def unprepared() -> list[str]:
    """Import the whole package and return the types that no module prepared."""
    for module in pkgutil.walk_packages(reconciler.__path__, "reconciler."):
        if not module.name.endswith("__main__") and ".migrations" not in module.name:
            importlib.import_module(module.name)
    # What msgspec has prepared hangs on the class.
    return [
        f"{found.__module__}.{found.__qualname__}"
        for found in message_types()
        if all(type(each).__name__ != "StructInfo" for each in gc.get_referents(found))
    ]


def test_no_type_waits_for_its_first_message() -> None:
    """Each is prepared while its module is imported, which happens once, whatever the threads do."""
    # In a process of its own: other tests of this one have read messages.
    script = "from tests.manifests.test_threads import unprepared; print(unprepared())"
    done = subprocess.run([sys.executable, "-c", script], cwd=ROOT, capture_output=True, text=True, check=True)
    assert done.stdout == "[]\n"
