"""A package in its own process: hostile ones end with the right status, in bounded time; nothing is left."""

from __future__ import annotations

import time
from dataclasses import replace
from pathlib import Path

import pytest
from package_calls import LIMITS, Start, alive, ask, failed

from challenge.isolation.limits import MIB
from tasks.task2_evaluation.evaluate import Predicted
from tasks.task2_evaluation.failure import Failure, Frame


def test_a_module_gets_the_images_and_gives_labels(start: Start) -> None:
    host = start("""
        import numpy as np
        from rule import BRIGHT
        def predict(case):
            assert case.spacing == (2.0, 1.0, 1.5) and case.shape == (3, 4, 5)
            assert not any(image.flags.writeable for image in case.images.values())
            return np.where(sum(case.images.values()) >= BRIGHT, 4, 0)
    """, rule="BRIGHT = 10")  # fmt: skip
    answer = ask(host)

    assert isinstance(answer, Predicted)
    assert answer.volume.shape == (3, 4, 5) and (answer.volume == 4).all()
    assert not answer.volume.flags.writeable


def test_one_process_serves_all_cases(start: Start) -> None:
    host = start("""
        import os
        import numpy as np
        def predict(case):
            return np.full(case.shape, os.getpid())
    """)
    pids = {int(answer.volume.flat[0]) for n in range(3) if isinstance(answer := ask(host, n), Predicted)}

    assert pids == {host.pid}


@pytest.mark.parametrize("order", [(1, 2), (2, 1)])
def test_global_generators_are_seeded_for_each_case(start: Start, order: tuple[int, int]) -> None:
    host = start("""
        import random
        import numpy as np
        def predict(case):
            return np.full(case.shape, random.randrange(10**6) * 10**6 + np.random.randint(10**6))
    """)
    drawn = {}
    for number in order:
        answer = ask(host, number)
        assert isinstance(answer, Predicted)
        drawn[number] = int(answer.volume.flat[0])

    again = ask(host, 1)
    assert isinstance(again, Predicted) and int(again.volume.flat[0]) == drawn[1] != drawn[2]


@pytest.mark.parametrize(
    ("answer", "status"),
    [
        ("None", "missing"),
        ("[]", "geometry"),
        ("np.zeros((5, 4, 3), np.uint8)", "geometry"),
        ("np.zeros((400, 400, 400), np.uint8)", "geometry"),
        ("np.full(case.shape, 'x')", "labels"),
        ("np.full(case.shape, object())", "labels"),
        ("np.zeros(case.shape, [('a', 'u1')])", "labels"),
    ],
)
def test_an_answer_that_is_none_has_its_status(start: Start, answer: str, status: str) -> None:
    host = start(f"import numpy as np\ndef predict(case):\n    return {answer}\n")
    pid_before = host.open() or host.pid

    assert failed(host).status == status
    assert host.pid == pid_before  # and the process goes on


def test_an_error_is_told_by_type_and_line_and_its_words_stay_in_the_log(
    start: Start, tmp_path: Path
) -> None:
    host = start("""
        def predict(case):
            raise KeyError(f"patient {case.images['t1'].sum()}")
    """)
    answer = failed(host)

    assert answer.status == "crashed"
    assert answer.failure == Failure("predict", "KeyError", (Frame("model.py", 3),))
    assert answer.reason == "the package raised KeyError (model.py line 3)"
    host.close()
    assert "patient 60.0" in (tmp_path / "log").read_text()


@pytest.mark.parametrize(
    ("code", "exception"),
    [
        ("class Smith(Exception): ...\ndef predict(case): raise Smith(7)", "custom"),
        ("def predict(case): raise SystemExit(3)", "SystemExit"),
        ("def predict(case): raise KeyboardInterrupt", "KeyboardInterrupt"),
        ("def predict(case): return predict(case)", "RecursionError"),
        ("def predict(case): return bytearray(1 << 40)", "MemoryError"),
        ("def predict(case): open('big', 'wb').truncate(1 << 40)", "OSError"),
    ],
)
def test_an_error_does_not_end_the_next_case(start: Start, code: str, exception: str) -> None:
    host = start(code)

    assert failed(host).failure.exception == exception
    assert failed(host, 2).failure.exception == exception


def test_memory_that_grows_meets_the_limit(start: Start) -> None:
    host = start("""
        def predict(case):
            kept = []
            while True:
                kept.append(bytearray(1 << 26))
    """, replace(LIMITS, memory_bytes=1024 * MIB))  # fmt: skip

    assert failed(host).status == "crashed"


def test_an_endless_loop_is_ended_with_its_children_and_the_next_case_runs(
    start: Start, tmp_path: Path
) -> None:
    host = start("""
        import subprocess, sys
        import numpy as np
        def predict(case):
            if case.name == "case-0001":
                child = subprocess.Popen([sys.executable, "-c", "import time; time.sleep(600)"])
                print(child.pid, flush=True)
                while True: pass
            return np.zeros(case.shape, np.uint8)
    """, replace(LIMITS, case_s=1.0))  # fmt: skip
    host.open()
    first_pid = host.pid
    began = time.monotonic()
    answer = failed(host)

    assert answer.status == "timeout" and "longer than 1 s" in answer.reason
    assert time.monotonic() - began < 20
    assert first_pid is not None and not alive(first_pid)
    child = int((tmp_path / "log").read_text().split()[0])
    deadline = time.monotonic() + 10
    while alive(child) and time.monotonic() < deadline:
        time.sleep(0.01)
    assert not alive(child)
    assert isinstance(ask(host, 2), Predicted) and host.pid != first_pid


def test_the_time_in_all_ends_a_case_before_its_own_limit(start: Start) -> None:
    host = start("import time\ndef predict(case): time.sleep(600)")
    host.open()
    answer = failed(host, left_s=1.0)

    assert answer.status == "timeout" and "in all were used up" in answer.reason


def test_a_chatty_program_is_cut_off_in_the_log_and_ended_in_time(start: Start, tmp_path: Path) -> None:
    host = start(
        "def predict(case):\n    while True: print('x' * 10_000)",
        replace(LIMITS, case_s=1.0, log_bytes=100_000),
    )

    assert failed(host).status == "timeout"
    assert 100_000 <= (tmp_path / "log").stat().st_size < 101_000


@pytest.mark.parametrize("end", ["os._exit(0)", "os.kill(os.getpid(), 9)", "os.abort()"])
def test_a_process_that_ends_is_a_crash_and_comes_back(start: Start, end: str) -> None:
    host = start(f"""
        import os
        import numpy as np
        def predict(case):
            if case.name == "case-0001":
                {end}
            return np.zeros(case.shape, np.uint8)
    """)
    answer = failed(host)

    assert answer.status == "crashed" and answer.failure == Failure("predict")
    assert isinstance(ask(host, 2), Predicted)


def test_an_exit_code_tells_nothing(start: Start) -> None:
    host = start("import os\ndef predict(case): os._exit(int(case.name[-1]) + 40)")

    assert failed(host, 1).reason == failed(host, 2).reason
    assert "41" not in failed(host, 1).reason


@pytest.mark.parametrize(
    ("code", "status", "words"),
    [
        ("raise RuntimeError('no such thing')", "crashed", "RuntimeError: no such thing"),
        ("import nothing_of_that_name", "crashed", "nothing_of_that_name"),
        ("def predict(case:", "crashed", "SyntaxError"),
        ("predict = 3", "crashed", "has no function predict"),
        ("while True: pass", "timeout", "longer than 1 s (load)"),
        ("import os; os._exit(0)", "crashed", "ended (load"),
    ],
)
def test_a_package_that_cannot_be_loaded_is_tried_once(
    start: Start, tmp_path: Path, code: str, status: str, words: str
) -> None:
    limits = replace(LIMITS, load_s=1.0) if "while" in code else LIMITS
    host = start(f"open('{tmp_path}/loads', 'a').write('x')\n{code}", limits)
    answer, second = failed(host), failed(host, 2)

    assert answer.status == second.status == status
    assert words in answer.reason
    assert answer.failure.phase == "load"
    assert code == "def predict(case:" or (tmp_path / "loads").read_text() == "x"


def test_words_of_a_reload_are_not_passed_on(start: Start, tmp_path: Path) -> None:
    host = start(f"""
        import os
        from pathlib import Path
        SEEN = Path("{tmp_path}/seen")
        if SEEN.exists():
            raise ValueError(SEEN.read_text())
        def predict(case):
            SEEN.write_text("patient has " + str(case.images["t1"].sum()))
            os._exit(1)
    """)
    failed(host)
    answer = failed(host, 2)

    assert answer.failure == Failure("load", "ValueError", (Frame("model.py", 6),))
    assert answer.reason == "the model cannot be loaded: ValueError"


def test_the_process_is_told_no_path_but_its_own(
    start: Start, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    data = tmp_path / "hospital-data"
    data.mkdir()
    labels = (data / "a_seg.nii.gz").open("w")
    monkeypatch.setenv("DATA_FOLDER", str(data))
    monkeypatch.chdir(data)
    host = start("""
        import os, sys
        import numpy as np
        def predict(case):
            told = [repr(vars(case).keys()), os.getcwd(), *sys.argv, *sys.path, *map(str, os.environ.items())]
            told += [os.readlink(f"/proc/self/fd/{n}") for n in os.listdir("/proc/self/fd") if
                     os.path.exists(f"/proc/self/fd/{n}")]
            print("\\n".join(told))
            return np.zeros(case.shape, np.uint8)
    """)  # fmt: skip
    assert isinstance(ask(host), Predicted)
    host.close()
    labels.close()

    told = (tmp_path / "log").read_text()
    assert str(tmp_path / "scratch") in told
    assert "hospital-data" not in told and "seg" not in told and "labels" not in told


def test_each_process_has_a_new_working_folder_that_goes_with_it(start: Start, tmp_path: Path) -> None:
    host = start("""
        import os
        import numpy as np
        def predict(case):
            kept = os.path.exists("kept")
            open("kept", "w").write("x")
            if case.name == "case-0001":
                os._exit(0)
            return np.full(case.shape, int(kept))
    """)
    failed(host)
    answer = ask(host, 2)
    assert isinstance(answer, Predicted) and (answer.volume == 0).all()
    host.close()
    host.close()

    assert list((tmp_path / "scratch").iterdir()) == []


@pytest.mark.parametrize("act", ["write_text('')", "unlink()", "with_name('new').symlink_to('/etc')"])
def test_a_package_that_changes_its_own_files_is_not_started_again(start: Start, act: str) -> None:
    host = start(f"""
        import os
        from pathlib import Path
        def predict(case):
            Path(__file__).with_name("other.py").{act}
            os._exit(0)
    """, other="x = 1")  # fmt: skip
    failed(host)

    assert failed(host, 2).reason == "the package changed its own files"
    assert host.pid is None


LIES = """
    import gc, os, socket
    import msgspec
    import numpy as np
    from fl_core.ipc.frames import Channel
    from challenge.task2 import package_protocol as p
    def predict(case):
        channel = next(one for one in gc.get_objects() if isinstance(one, Channel))
        {lie}
        import time; time.sleep(600)
"""


@pytest.mark.parametrize(
    ("lie", "reason"),
    [
        ("os.write(channel.fileno(), b'rubbish of at least sixteen bytes')", "no answer"),
        ("channel.send(p.Labelled(99), [{'labels': np.zeros(case.shape, np.uint8)}])", "another case"),
        ("channel.send(p.Labelled(1), [])", "no answer"),
        ("channel.send(p.Labelled(1), [{'image': np.zeros(case.shape, np.uint8)}])", "no answer"),
        ("channel.send(p.Labelled(1), [{'labels': np.zeros(10**6)}])", "no answer"),
        ("channel.send(p.Opened())", "no answer"),
        ("channel.send({'type': 'Refused', 'number': 1, 'status': 'ok'})", "no answer"),
        ("channel.send(b'x' * (2 << 20))", "no answer"),
    ],
)
def test_a_process_that_speaks_for_itself_is_ended(start: Start, lie: str, reason: str) -> None:
    host = start(LIES.format(lie=lie))
    answer = failed(host)

    assert answer.status == "crashed" and reason in answer.reason
    assert host.pid is None


def test_a_failure_that_the_process_makes_up_is_filtered(start: Start) -> None:
    host = start(
        LIES.format(lie="channel.send(p.Raised(1, 'Age57', (('/data/x', 1), ('model.py', 900))), [{}])")
    )

    assert failed(host).failure == Failure("predict", "custom", ())
