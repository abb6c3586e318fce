"""Which dialect a request speaks, told by its method and the end of its path."""

import json
import re
from collections.abc import Callable, Mapping
from typing import NamedTuple, Protocol
from urllib.parse import parse_qsl, unquote

from gatewayproject.demo import anthropic, bedrock, google, openai, responses
from gatewayproject.demo.answers import Answer, json_answer
from gatewayproject.demo.speech import Ask


class Dialect(Protocol):
    """What the module of a dialect offers beside its acts."""

    def key(self, headers: Mapping[bytes, bytes], /) -> str | None: ...
    def refusal(self, headers: Mapping[bytes, bytes], /) -> Answer: ...
    def failure(self, status: int, message: str, /) -> Answer: ...


class Understood(NamedTuple):
    """Whose dialect, which model, and the answer of a provider in a good mood."""

    dialect: Dialect | None
    model: str
    answer: Answer


class Act(NamedTuple):
    method: str
    path: re.Pattern[str]
    dialect: Dialect
    perform: Callable[[Ask], Answer]


def act(method: str, path: str, dialect: Dialect, perform: Callable[[Ask], Answer]) -> Act:
    return Act(method, re.compile(path), dialect, perform)


MODEL = r"/models/(?P<model>[^/:]+)"
DEPLOYMENT = r"(?:/deployments/(?P<model>[^/]+))?"
ACTS = [
    act("POST", rf"{DEPLOYMENT}/chat/completions$", openai, openai.chat),
    act("POST", rf"{DEPLOYMENT}/completions$", openai, openai.completion),
    act("POST", rf"{DEPLOYMENT}/embeddings$", openai, openai.embeddings),
    act("POST", r"/responses$", openai, responses.respond),
    act("POST", r"/messages$", anthropic, anthropic.messages),
    act("POST", r"/messages/count_tokens$", anthropic, anthropic.count_tokens),
    act("POST", rf"{MODEL}:(?P<act>rawPredict|streamRawPredict)$", anthropic, anthropic.messages),
    act("POST", rf"{MODEL}:(?P<act>(?:streamG|g)enerateContent)$", google, google.generate),
    act("POST", rf"{MODEL}:embedContent$", google, google.embed),
    act("POST", rf"{MODEL}:batchEmbedContents$", google, google.embed_batch),
    act("POST", rf"{MODEL}:countTokens$", google, google.count_tokens),
    act("POST", r"/model/(?P<model>[^/]+)/converse$", bedrock, bedrock.converse),
    act("GET", r"/v1(?:beta|alpha)/models$", google, google.models),
    act("GET", rf"/v1(?:beta|alpha){MODEL}$", google, google.model),
    act("GET", r"/models$", openai, openai.models),
    act("GET", rf"{MODEL}$", openai, openai.model),
]
MODELS_FOR = {"anthropic": anthropic, "google": google}  # by the headers of the client
NOT_FOUND = json_answer({"error": {"message": "Nothing is answered here.", "code": "404"}}, 404)
UNREADABLE = (AttributeError, LookupError, OverflowError, RecursionError, TypeError, ValueError)
MALFORMED = Answer(status=400, body=b'{"error":{"message":"This is not HTTP."}}', close=True)


def understand(
    method: str, target: str, body: bytes, *, client: str | None, pause: float
) -> Understood:
    """Read a request; ``client`` says whose list of models it wants where the paths are alike."""
    path, _, query = target.partition("?")
    for known in ACTS:
        if method == known.method and (match := known.path.search(path)):
            break
    else:
        return Understood(None, "", NOT_FOUND)
    dialect, perform = known.dialect, known.perform
    if client and method == "GET":
        dialect = MODELS_FOR[client]
        perform = getattr(dialect, perform.__name__)
    parts = match.groupdict()
    model = unquote(parts.get("model") or "")
    try:
        said = json.loads(body) if method == "POST" else {}
        model = model or str(said.get("model", ""))
        ask = Ask(path, parts.get("act") or "", dict(parse_qsl(query)), said, model)
        answer = perform(at_its_pace(ask, pause))
    except UNREADABLE as error:
        answer = dialect.failure(400, f"The request is not understood: {error!r}")
    return Understood(dialect, model, answer)


def at_its_pace(ask: Ask, pause: float) -> Ask:
    """``stream-<chunks>-<ms>`` says how long a stream is and how fast."""
    told = re.fullmatch(r"stream-(\d{1,4})-(\d{1,6})", ask.model.rpartition("/")[2])
    if told is None:
        return ask._replace(pause=pause)
    return ask._replace(chunks=max(1, int(told[1])), pause=int(told[2]) / 1000)
