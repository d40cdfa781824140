"""gRPC's health service, for those who watch over the aggregator: it answers, and holds nothing open."""

from __future__ import annotations

from typing import Any

import grpc
from grpc_health.v1 import health


class Health(health.HealthServicer):
    """Answers ``Check``.

    ``Watch`` is left out, as the health protocol allows: its calls stay open, and whoever has a certificate,
    even a revoked one, could use them up for everybody.
    """

    def Watch(self, request: Any, context: Any, send_response_callback: Any = None) -> None:
        """Refuse to watch; the protocol tells clients to call ``Check`` then."""
        if send_response_callback is None:
            context.abort(grpc.StatusCode.UNIMPLEMENTED, "call Check")
        context.set_code(grpc.StatusCode.UNIMPLEMENTED)
        context.set_details("call Check")
        send_response_callback(None)
