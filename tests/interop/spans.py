"""Spans of Envoy by the shipped configuration: one of each exchange, with the trace and the span that its record tells,
and that the OpenTelemetry collector has of that record."""

import json
import re
import time
from concurrent.futures import ThreadPoolExecutor

import grpc
from opentelemetry.proto.collector.trace.v1 import trace_service_pb2 as messages
from pki import ADDRESS
from sinks_world import BODY

WITHIN = 30
# What a collector says below the body of a record.
IDS = re.compile(r"^ +(Trace|Span) ID +: ([0-9a-f]+)$")


class SpanService:
    """A collector of spans (OTLP over gRPC), by messages that others have made of it."""

    def __init__(self):
        self._messages = []
        self._server = grpc.server(ThreadPoolExecutor(max_workers=8))
        export = grpc.unary_unary_rpc_method_handler(
            self._export,
            messages.ExportTraceServiceRequest.FromString,
            messages.ExportTraceServiceResponse.SerializeToString,
        )
        service = "opentelemetry.proto.collector.trace.v1.TraceService"
        self._server.add_generic_rpc_handlers([grpc.method_handlers_generic_handler(service, {"Export": export})])
        self.port = self._server.add_insecure_port(f"{ADDRESS}:0")
        self._server.start()

    def ids(self):
        """By the id of the request: trace and span, as `traceparent` has them."""
        return {_request_id(span): f"{span.trace_id.hex()}-{span.span_id.hex()}" for span in self._spans()}

    def text(self):
        """All of it, whatever the fields."""
        return "\n".join(str(message) for message in list(self._messages))

    def stop(self):
        self._server.stop(0)

    def _export(self, message, _):
        self._messages.append(message)
        return messages.ExportTraceServiceResponse()

    def _spans(self):
        for message in list(self._messages):
            for resource in message.resource_spans:
                for library in resource.instrumentation_library_spans:
                    yield from library.spans


def compare(world, say, tally):
    records = [json.loads(line) for line in world.records()]
    told = {record["request_id"]: record["trace"][3:52] for record in records if "trace" in record}
    tally.check("every exchange is in a trace", told and len(told) == len(records), f"{len(told)} of {len(records)}")
    for name, read in [("spans", world.spans.ids), ("records of the collector", lambda: _collected(world))]:
        until = time.monotonic() + WITHIN
        while read().keys() != told.keys() and time.monotonic() < until:
            time.sleep(0.2)
        same = read() == told
        tally.check(f"{name} are of the trace that the records tell", same, f"{len(read())} of {len(told)}, or others")
    say(f"    {len(told)} exchanges, each with one trace in record, span and collector")


def _collected(world):
    """By the id of the request: trace and span that the collector has of its record."""
    found, request = {}, None
    for line in world.collected().splitlines():
        if line.startswith(BODY):
            request = json.loads(line.removeprefix(BODY).removesuffix(")"))["request_id"]
        elif request and (own := IDS.match(line)):
            found.setdefault(request, []).append(own[2])
    return {request: "-".join(own) for request, own in found.items()}


def _request_id(span):
    return next(tag.value.string_value for tag in span.attributes if tag.key == "guid:x-request-id")
