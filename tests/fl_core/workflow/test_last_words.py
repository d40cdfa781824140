"""A site that is killed near the end, or whose aggregator is: what it is told when it is started again."""

from __future__ import annotations

import signal
import time

import grpc
import pytest
from fx_federation import AGGREGATOR, Parties, in_one_process, models, parties
from workspaces import Federation, free_port

from fl_core.transport.client import SiteConnection
from fl_core.transport.errors import GaveUp
from fl_core.transport.retry import RetryPolicy

SITE_FILE = "os.rename state/col_one/site.json"
BEGINNING, ALL_HANDED_IN, FAREWELL = range(3)
"""A site replaces its file three times: at its beginning, after its last results, and at the farewell."""
LIKELY_OVER = "the aggregator has all that the plan asks of this site, so the federation is most likely over"


def _dead_at(found: Parties, step: int) -> None:
    """Run the federation until the site dies before it replaces its file."""
    found.start(AGGREGATOR, "two")
    found.start_dying("one", step, SITE_FILE)
    assert found.processes["one"].end(60) == -signal.SIGKILL


def _again(found: Parties, *words: str) -> tuple[int, str]:
    """Start the site again; return its exit code and what it said."""
    before = _log(found)
    found.start("one", words=words)
    return found.processes["one"].end(60), _log(found)[len(before) :]


def _log(found: Parties) -> str:
    log = found.federation.folder / "one" / "one-collaborator-start.log"
    return log.read_text() if log.exists() else ""


@pytest.mark.slow
@pytest.mark.parametrize("step", [ALL_HANDED_IN, FAREWELL])
def test_while_the_aggregator_tells_of_the_end_a_restarted_site_hears_it(two: Federation, step: int) -> None:
    with parties(two, linger_s=60) as found:
        _dead_at(found, step)
        code, told = _again(found)
        assert code == 0
        assert told.splitlines()[-1].startswith("the federation is over after 3 rounds")
        found.end_well()
        assert "did not read of the end" not in found.text(AGGREGATOR)

    assert models(two)["last"] == in_one_process(two)


@pytest.mark.slow
def test_where_the_aggregator_is_gone_a_site_that_is_done_says_so(two: Federation) -> None:
    with parties(two, linger_s=1) as found:
        _dead_at(found, FAREWELL)
        assert found.processes[AGGREGATOR].end(60) == 0
        assert found.text(AGGREGATOR).splitlines()[-1] == "did not read of the end: one"

        code, told = _again(found, "--retry-for", "1")

        assert code == 0 and LIKELY_OVER in told and "Traceback" not in told
        assert told.rstrip().endswith("fx collaborator start -n one")


@pytest.mark.slow
def test_a_site_that_cannot_know_whether_its_results_arrived_goes_on_trying(two: Federation) -> None:
    with parties(two, linger_s=1) as found:
        _dead_at(found, ALL_HANDED_IN)
        assert found.processes[AGGREGATOR].end(60) == 0

        code, told = _again(found, "--retry-for", "1")

        assert code == 1 and "could not be reached" in told.splitlines()[-1]


@pytest.mark.slow
def test_a_site_whose_aggregator_dies_at_the_end_does_not_wait_for_an_hour(two: Federation) -> None:
    with parties(two, linger_s=60) as found:
        found.start("one", words=("--retry-for", "3"))
        found.start("two", words=("--retry-for", "3"))
        found.start_dying(AGGREGATOR, 4, "sync state/.state.json.tmp")  # the beginning, 3 rounds, the end
        assert found.processes[AGGREGATOR].end(60) == -signal.SIGKILL
        assert {found.processes[site].end(60) for site in two.sites} == {0}
        assert all(LIKELY_OVER in found.text(site) for site in two.sites)

        found.linger_s = 0
        found.start(AGGREGATOR)
        assert found.processes[AGGREGATOR].end(60) == 0, "it has all results"

    assert models(two) == dict.fromkeys(("best", "last"), in_one_process(two))


@pytest.mark.slow
def test_a_site_that_has_read_of_the_end_calls_nobody(two: Federation) -> None:
    with parties(two) as found:
        found.start()
        found.end_well()
        code, told = _again(found)

        assert code == 0 and "this site has read so" in told and "connecting" not in told


@pytest.mark.slow
def test_an_aggregator_that_dies_while_it_tells_of_the_end_tells_it_again(two: Federation) -> None:
    with parties(two, linger_s=60) as found:
        _dead_at(found, FAREWELL)
        found.processes["two"].end(60)
        found.processes[AGGREGATOR].wait_for("telling the sites that it is over")
        found.kill(AGGREGATOR)
        found.linger_s = 5
        found.start(AGGREGATOR)

        code, told = _again(found)

        assert code == 0 and told.splitlines()[-1].startswith("the federation is over after 3 rounds")
        assert found.processes[AGGREGATOR].end(60) == 0
        assert "all 3 rounds are over already" in found.text(AGGREGATOR)


def test_patience_can_only_become_shorter() -> None:
    channel = grpc.insecure_channel(f"localhost:{free_port()}")
    connection = SiteConnection(channel, "sha256:0", RetryPolicy(longest_s=0.2, gives_up_after_s=3600))
    connection.give_up_after(0.5)
    connection.give_up_after(7200)
    began = time.monotonic()
    with pytest.raises(GaveUp):
        connection.join()
    assert time.monotonic() - began < 30
    connection.close()
