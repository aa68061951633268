"""revisit.training.launcher: roles, names before lines, statuses, and nothing left behind."""

import json
import os
import pathlib
import signal
import subprocess
import sys
import time

import pytest

from revisit.errors import UserError
from revisit.training import launcher

REPOSITORY = pathlib.Path(__file__).resolve().parent.parent
LAUNCH = """
import sys
from revisit.training.launcher import launch
sys.exit(launch([sys.executable, "-c", sys.argv[3]], int(sys.argv[1]), int(sys.argv[2])))
"""
ROLE = "import json, os; task = json.loads(os.environ['TF_CONFIG'])['task']\n"
WAIT = "import os, time; print('pid', os.getpid(), flush=True); time.sleep(100)"


def _start(workers: int, servers: int, program: str) -> subprocess.Popen:
    return subprocess.Popen(
        [sys.executable, "-c", LAUNCH, str(workers), str(servers), program],
        env={**os.environ, "PYTHONPATH": str(REPOSITORY)},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


def _run(workers: int, servers: int, program: str) -> tuple[int, list[str], list[str]]:
    process = _start(workers, servers, program)
    out, err = process.communicate(timeout=60)
    return process.returncode, out.splitlines(), err.splitlines()


def _is_running(process_id: int) -> bool:
    try:
        state = pathlib.Path(f"/proc/{process_id}/stat").read_text().rsplit(")", 1)[1].split()[0]
    except FileNotFoundError:
        return False
    return state != "Z"


def _read_process_ids(process: subprocess.Popen, count: int) -> list[int]:
    assert process.stdout is not None
    return [int(process.stdout.readline().split()[-1]) for _ in range(count)]


def _assert_gone(process_ids: list[int]) -> None:
    deadline = time.monotonic() + 10
    while time.monotonic() < deadline and any(map(_is_running, process_ids)):
        time.sleep(0.05)
    assert not any(map(_is_running, process_ids))


def test_every_role_finds_itself_in_one_cluster() -> None:
    status, lines, _ = _run(2, 0, "import os; print(os.environ['TF_CONFIG'])")
    told = {line.split("] ")[0] + "]": json.loads(line.split("] ", 1)[1]) for line in lines}
    assert status == 0
    assert set(told) == {"[worker 0]", "[worker 1]"}
    assert told["[worker 1]"]["task"] == {"type": "worker", "index": 1}
    assert told["[worker 0]"]["cluster"] == told["[worker 1]"]["cluster"]
    assert len(set(told["[worker 0]"]["cluster"]["worker"])) == 2


def test_lines_keep_their_stream_and_get_their_roles_name() -> None:
    program = ROLE + "import sys; print('out'); print('no newline', end='', file=sys.stderr)"
    assert _run(1, 0, program) == (0, ["[worker 0] out"], ["[worker 0] no newline"])


def test_the_status_is_that_of_the_worst() -> None:
    status, lines, _ = _run(3, 0, ROLE + "raise SystemExit([0, 75, 1][task['index']])")
    assert status == 75
    assert "[launch] worker 2 ended with status 1" in lines


def test_servers_end_with_the_coordinator_and_a_lost_worker_is_no_failure() -> None:
    program = ROLE + (
        "import signal, time\n"
        "if task == {'type': 'worker', 'index': 1}: os.kill(os.getpid(), signal.SIGKILL)\n"
        "time.sleep({'chief': 1.5}.get(task['type'], 100))"
    )
    began = time.monotonic()
    status, lines, _ = _run(2, 2, program)
    assert (status, lines) == (0, ["[launch] worker 1 ended with status 137"])
    assert time.monotonic() - began < 30


def test_what_can_not_go_on_is_ended_after_the_grace(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(launcher, "GRACE_SECONDS", 1.0)
    program = (
        ROLE + "import time; time.sleep({'ps': 0}.get(task['type'], 100)); raise SystemExit(3)"
    )
    assert launcher.launch([sys.executable, "-c", program], 1, 1) == 137


@pytest.mark.parametrize("signum", [signal.SIGTERM, signal.SIGINT])
def test_a_signal_is_passed_on_and_waited_for(signum: int) -> None:
    program = (
        "import signal, sys, time\n"
        "def stop(*_): print('saved', flush=True); sys.exit(75)\n"
        "signal.signal(signal.SIGTERM, stop)\n" + WAIT
    )
    process = _start(2, 0, program)
    ids = _read_process_ids(process, 2)
    process.send_signal(signum)
    out, _ = process.communicate(timeout=30)
    assert process.returncode == 75
    assert out.count("saved") == 2
    _assert_gone(ids)


def test_a_second_signal_ends_what_does_not_listen() -> None:
    process = _start(2, 0, "import signal; signal.signal(signal.SIGTERM, signal.SIG_IGN)\n" + WAIT)
    ids = _read_process_ids(process, 2)
    process.send_signal(signal.SIGTERM)
    time.sleep(0.5)
    process.send_signal(signal.SIGTERM)
    process.communicate(timeout=30)
    assert process.returncode == 137
    _assert_gone(ids)


def test_processes_die_with_a_killed_launcher() -> None:
    process = _start(2, 1, WAIT)
    ids = _read_process_ids(process, 4)
    process.kill()
    process.communicate(timeout=30)
    _assert_gone(ids)


@pytest.mark.parametrize(("workers", "servers"), [(0, 0), (0, 2), (2, -1)])
def test_numbers_that_make_no_cluster_are_refused(workers: int, servers: int) -> None:
    with pytest.raises(UserError, match="give at least 1 worker and 0 servers"):
        launcher.launch(["true"], workers, servers)
