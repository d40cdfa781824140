from __future__ import annotations

import msgspec
from isolated_round import SITES, context, record

from challenge.isolation.contexts import Context, ContextReceiver, ContextSender
from fl_core.ipc.frames import encode


def test_a_growing_history_is_sent_piece_by_piece_and_a_shorter_one_too() -> None:
    sender, receiver = ContextSender(), ContextReceiver()
    history = tuple(record(number) for number in range(4))
    sent = []
    # Forward as in a run, then from the start as in a replay, then with another past.
    for past in (history[:0], history[:1], history[:3], history[:3], history[:1], (record(9), *history[1:3])):
        original = context("aggregate", len(past), past)
        message = msgspec.msgpack.decode(encode(sender.message(original)), type=Context)
        sender.arrived(original)
        sent.append((message.sites is not None, message.known, len(message.history)))
        arrived = receiver.context(message, "aggregate", {})
        assert arrived == original and arrived.sites == SITES
        assert arrived.rng.random() == original.rng.random()
    assert sent == [(True, 0, 0), (False, 0, 1), (False, 1, 2), (False, 3, 0), (False, 1, 0), (False, 0, 3)]


def test_what_did_not_arrive_is_sent_again() -> None:
    sender = ContextSender()
    lost = sender.message(context("select_sites", 1, (record(0),)))
    again = sender.message(context("select_sites", 1, (record(0),)))
    assert again == lost and again.sites == SITES and again.known == 0
