"""Work goes out, results come back, over real mutual TLS on loopback."""

from __future__ import annotations

import threading
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import xxhash
from mutual_tls import PLAN, QUICK, Hall, TestAuthority, hall

from fl_core.executor.base import TaskReport
from fl_core.tensors.codec import decode, encode
from fl_core.transport.board import Delivered, Failed, Joined, Left, Told
from fl_core.transport.errors import Refused
from fl_core.transport.limits import Limits
from fl_core.transport.messages import BlobRef, Delivery, Farewell, Release, Withdrawal, Work


@pytest.fixture(scope="module")
def authority() -> TestAuthority:
    return TestAuthority.new()


def blob(path: Path, content: bytes) -> BlobRef:
    path.write_bytes(content)
    return BlobRef(f"xxh3:{xxhash.xxh3_128_hexdigest(content)}", len(content))


def model_bytes(size: int = 5, seed: int = 0) -> bytes:
    return encode({"w": np.random.default_rng(seed).random(size, np.float32), "n": np.array(3)})


def post(here: Hall, folder: Path, site: str = "a", key: str = "0", content: bytes | None = None) -> Work:
    model = blob(folder / f"model-{key}", content or model_bytes())
    here.board.publish(model, folder / f"model-{key}")
    settings = {"train": {"learning_rate": 0.1, "n": 3, "deep": {"x": [1, None, "é"]}}}
    work = Work(key, 0, ("validate", "train"), model, settings, ("n",))
    here.board.post(site, work)
    return work


def test_a_round_trip_of_work_and_results(tmp_path: Path, authority: TestAuthority) -> None:
    with hall(tmp_path, authority, {"a"}) as here:
        work = post(here, tmp_path)
        site = here.connect("a")
        instructions = site.instructions()

        got = next(instructions)
        assert got == work
        assert site.welcome.name == "a"
        assert decode(bytes(site.download(work.model)))[0]["n"] == 3
        update = blob(tmp_path / "update", model_bytes(seed=1))
        site.beat("training")
        site.upload(tmp_path / "update", update)
        rows = ({"case": "c1", "dice": 0.5, "n": 2},)
        reports = (
            TaskReport("validate", {"z": 0.1, "a": float("nan")}, 7, False, rows),
            TaskReport("train", {"loss": 1e300}, 9, True),
        )
        assert site.deliver(Delivery("0", 0, reports, update, None, 1.5)) == ""

        events = [here.board.next_event(1) for _ in range(3)]
        assert events[:2] == [Joined("a"), Told("a", "training")]
        delivered = events[2]
        assert isinstance(delivered, Delivered)
        assert delivered.site == "a" and delivered.work == work
        assert list(delivered.delivery.reports[0].metrics) == ["z", "a"]  # the site's own order
        assert delivered.delivery.reports[0].rows == rows
        assert delivered.delivery.reports[1] == reports[1]
        assert delivered.update is not None
        assert delivered.update.read_bytes() == model_bytes(seed=1)

        here.board.release(0)
        here.board.finish("over")
        assert list(instructions) == [Release(0), Farewell("over")]
        assert here.board.untold() == ("a",)
        site.read_farewell()
        assert here.board.untold() == ()
        site.close()


@pytest.mark.parametrize("size", [0, 1, 1000, 2_000_003])
def test_any_size_goes_both_ways_in_small_parts(tmp_path: Path, authority: TestAuthority, size: int) -> None:
    content = np.random.default_rng(size).bytes(size)
    limits = replace(Limits(), part_bytes=4096, beat_s=0.2)
    with hall(tmp_path, authority, {"a"}, limits=limits) as here:
        work = post(here, tmp_path, content=content or None)
        site = here.connect("a")
        instructions = site.instructions()
        next(instructions)
        assert bytes(site.download(work.model)) == (content or model_bytes())
        update = blob(tmp_path / "update", content)
        site.upload(tmp_path / "update", update)
        assert here.spool.take("a", update).read_bytes() == content
        site.upload(tmp_path / "update", update)  # again changes nothing
        site.close()


def test_a_repeated_delivery_is_answered_alike_and_counts_once(
    tmp_path: Path, authority: TestAuthority
) -> None:
    with hall(tmp_path, authority, {"a"}) as here:
        post(here, tmp_path)
        site = here.connect("a")
        instructions = site.instructions()
        next(instructions)
        delivery = Delivery(
            "0", 0, (TaskReport("validate", {"x": float("nan")}, 1), TaskReport("train", {}, 1))
        )
        assert [site.deliver(delivery) for _ in range(3)] == ["", "", ""]
        other = Delivery("0", 0, (TaskReport("validate", {}, 2),))
        assert site.deliver(other) == "work 0 was handed in before, with other results"
        events = []
        while event := here.board.next_event(0.1):
            events.append(event)
        assert [type(event) for event in events] == [Joined, Delivered]
        site.close()


def test_what_is_for_another_round_or_site_is_refused_by_name(
    tmp_path: Path, authority: TestAuthority
) -> None:
    with hall(tmp_path, authority, {"a", "b"}) as here:
        work = post(here, tmp_path, "a")
        a, b = here.connect("a"), here.connect("b")
        instructions = a.instructions()
        next(instructions)
        b.join()
        assert "are not wanted: its work now is 0" in a.deliver(Delivery("7", 7))
        assert a.deliver(Delivery("0", 5)) == "work 0 is of round 0, not 5"
        assert "it has no work now" in b.deliver(Delivery("0", 0))
        with pytest.raises(Refused, match="belongs to no work of b"):
            b.download(work.model)
        update = blob(tmp_path / "update", model_bytes(seed=1))
        with pytest.raises(Refused, match="b has no work"):
            b.upload(tmp_path / "update", update)
        assert "was not uploaded whole" in a.deliver(Delivery("0", 0, (), update))
        a.close()
        b.close()


def test_what_is_not_admitted_is_refused_and_told(tmp_path: Path, authority: TestAuthority) -> None:
    with hall(tmp_path, authority, {"a"}, admit=lambda delivered: "NaN in w") as here:
        work = post(here, tmp_path)
        site = here.connect("a")
        instructions = site.instructions()
        next(instructions)
        assert site.deliver(Delivery("0", 0)) == "NaN in w"
        here.board.next_event(1)
        assert here.board.next_event(1) == Failed("a", work, "NaN in w")
        site.close()


def test_a_failure_is_told(tmp_path: Path, authority: TestAuthority) -> None:
    with hall(tmp_path, authority, {"a"}) as here:
        work = post(here, tmp_path)
        site = here.connect("a")
        instructions = site.instructions()
        next(instructions)
        assert site.deliver(Delivery("0", 0, failure="out of memory")) == ""
        here.board.next_event(1)
        assert here.board.next_event(1) == Failed("a", work, "the site says: out of memory")
        site.close()


def test_withdrawn_work_is_told_and_its_results_refused(tmp_path: Path, authority: TestAuthority) -> None:
    with hall(tmp_path, authority, {"a"}) as here:
        post(here, tmp_path)
        site = here.connect("a")
        instructions = site.instructions()
        next(instructions)
        here.board.withdraw("a", "too late")
        assert next(instructions) == Withdrawal("0", "too late")
        assert "are not wanted" in site.deliver(Delivery("0", 0))
        site.close()


def test_a_newer_connection_takes_over(tmp_path: Path, authority: TestAuthority) -> None:
    with hall(tmp_path, authority, {"a"}) as here:
        work = post(here, tmp_path)
        first, second = here.connect("a"), here.connect("a")
        older, newer = first.instructions(), second.instructions()
        assert next(older) == work
        assert next(newer) == work
        assert here.board.present() == ("a",)
        second.close()
        first.close()
        for _ in range(20):
            if here.board.next_event(1) == Left("a", "its connection closed"):
                break
        else:
            pytest.fail("nobody left")


def test_a_silent_site_is_noticed(tmp_path: Path, authority: TestAuthority) -> None:
    with hall(tmp_path, authority, {"a"}, limits=replace(Limits(), beat_s=2.0, silent_s=1.0)) as here:
        post(here, tmp_path)
        site = here.connect("a")
        instructions = site.instructions()
        next(instructions)
        assert here.board.next_event(1) == Joined("a")
        left = here.board.next_event(10)
        assert isinstance(left, Left) and "said nothing for" in left.reason
        assert next(instructions).key == "0"  # it comes back by itself, and gets its work again
        site.close()


def test_a_restarted_aggregator_is_found_again(tmp_path: Path, authority: TestAuthority) -> None:
    with hall(tmp_path, authority, {"a"}) as here:
        post(here, tmp_path)
        site = here.connect("a")
        instructions = site.instructions()
        next(instructions)
        port = here.port
    got: list[object] = []
    thread = threading.Thread(target=lambda: got.append(next(instructions)))
    thread.start()
    with hall(tmp_path, authority, {"a"}, address=f"127.0.0.1:{port}") as here:
        work = post(here, tmp_path, key="again")
        thread.join(10)
        assert got == [work]
        site.close()


def test_a_plan_mismatch_is_said_at_once_and_is_final(tmp_path: Path, authority: TestAuthority) -> None:
    with hall(tmp_path, authority, {"a"}) as here:
        site = here.connect("a", plan="sha256:" + "1" * 64, policy=QUICK)
        with pytest.raises(Refused) as refused:
            site.join()
        assert "plan mismatch" in str(refused.value)
        assert PLAN in str(refused.value) and "1" * 64 in str(refused.value)
        site.close()


def test_a_blob_far_beyond_the_works_model_is_refused(tmp_path: Path, authority: TestAuthority) -> None:
    with hall(tmp_path, authority, {"a"}, limits=replace(Limits(), beat_s=0.2, spare_bytes=100)) as here:
        work = post(here, tmp_path)
        site = here.connect("a")
        instructions = site.instructions()
        next(instructions)
        most = 8 * work.model.size + 100
        site.upload(tmp_path / "fits", blob(tmp_path / "fits", bytes(most)))
        with pytest.raises(Refused, match=f"a blob of {most + 1} bytes; at most {most} are taken"):
            site.upload(tmp_path / "beyond", blob(tmp_path / "beyond", bytes(most + 1)))
        site.close()
