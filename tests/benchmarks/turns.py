"""How long the event loop is busy with the most laborious responses of a provider.

    python -m tests.benchmarks.turns

Each line is the CPU time of one turn, the least of three. The ratio compares with an ordinary
response of the largest size that is read as a whole, whose only long member is a text.
"""

from collections.abc import Callable, Iterator
from time import thread_time

from apikeys.catalogue.provider_errors import MAX_BODY, facts_of, meaning_of
from endpoints.gateway.routing.event_stream import EventStream
from endpoints.usage.response_parser import MAX_WHOLE, UsageParser
from tests.endpoints.gateway.test_event_loop_turns import (
    AT_ONCE,
    DOCUMENTS,
    ERRORS,
    EVENTS,
    LINES,
    of_size,
)

ORDINARY = of_size(MAX_WHOLE, b'{"x":"', b"x", b'","usage":{"prompt_tokens":1}}')


def main() -> None:
    ordinary = milliseconds_of(counts_in("application/json", ORDINARY))
    print(f"{'':40}{'ms':>8}{'ratio':>8}\n{'ordinary response':40}{ordinary:>8.2f}{1:>8.2f}")
    for name, read in cases():
        taken = milliseconds_of(read)
        print(f"{name:40}{taken:>8.2f}{taken / ordinary:>8.2f}")


def cases() -> Iterator[tuple[str, Callable[[], object]]]:
    for name, document in DOCUMENTS.items():
        yield f"counts: {name}", counts_in("application/json", document)
    for name, lines in LINES.items():
        yield f"counts in a stream: {name}", counts_in("text/event-stream", lines)
    for event in EVENTS:
        yield f"events: {event!r}", answer_in(of_size(AT_ONCE, b"", event))
    for name, body in ERRORS.items():
        yield f"error: {name}", meaning_in(body[:MAX_BODY])


def counts_in(media_type: str, document: bytes) -> Callable[[], object]:
    def read() -> None:
        parser = UsageParser(media_type, "")
        parser.feed(document)
        parser.finish()

    return read


def answer_in(chunk: bytes) -> Callable[[], object]:
    return lambda: EventStream().pass_on(chunk)


def meaning_in(body: bytes) -> Callable[[], object]:
    statuses = iter((400, 401, 403))  # the meaning of an error that was seen before is known
    return lambda: meaning_of(facts_of(next(statuses), [], body))


def milliseconds_of(read: Callable[[], object]) -> float:
    def once() -> float:
        began = thread_time()
        read()
        return thread_time() - began

    return 1000 * min(once() for _ in range(3))


if __name__ == "__main__":
    main()
