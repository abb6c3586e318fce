"""Responses that a test prepares."""

from collections import deque

from .http_response import Response


class ScriptedResponses:
    """The next responses: for a model or path by name, and otherwise for any request."""

    def __init__(self) -> None:
        self.for_any_request: deque[Response] = deque()
        self.by_name: dict[str, tuple[deque[Response], bool]] = {}

    def add(self, *responses: Response) -> None:
        self.for_any_request.extend(responses)

    def add_for(self, name: str, *responses: Response, repeat: bool) -> None:
        self.by_name[name] = deque(responses), repeat

    def take(self, model: str, path: str) -> Response | None:
        for name, (responses, repeat) in self.by_name.items():
            if responses and (name == model or name in path):
                if repeat:
                    responses.rotate(-1)
                    return responses[-1]
                return responses.popleft()
        return self.for_any_request.popleft() if self.for_any_request else None
