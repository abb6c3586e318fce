"""Checks credentials: a call to the provider, through the client and the signing of the gateway."""

import asyncio
from concurrent.futures import Future, ThreadPoolExecutor
from threading import BoundedSemaphore
from urllib.parse import urlsplit

from django.core.exceptions import ValidationError

from apikeys import checks
from apikeys.checks import CheckResult
from apikeys.models import ApiKey
from apikeys.sealing import Secrets

from . import findings
from .aiohttp_upstream import AiohttpAnswer, AiohttpUpstream
from .findings import SECONDS
from .inquiry import Inquiry, wrong
from .signing import CannotSign, Credentials, Refused, Signing
from .upstream import Broken, Request, Unreachable

AT_ONCE = 4  # of the threads that serve pages; the others go on
MAX_ANSWER = 64 * 1024  # bytes


class GatewayChecker:
    """The one ``apikeys.checks.Checker``. Each check has an event loop and a client of its own."""

    def __init__(self) -> None:
        self._threads = ThreadPoolExecutor(AT_ONCE, thread_name_prefix="checking")
        self._free = BoundedSemaphore(AT_ONCE)

    def check(self, api_key: ApiKey, secrets: Secrets) -> CheckResult:
        """Call the provider with ``secrets``, where that is free, and say what came of it.

        Waits for the answer, 15 seconds at most.
        """
        try:
            asked = Inquiry.about(api_key)
        except (ValidationError, ValueError):
            return findings.UNDECLARED
        if why := asked.uncheckable_because():
            return findings.uncheckable(why)
        if not self._free.acquire(blocking=False):
            return findings.BUSY
        return self._wait_for(self._threads.submit(_run, asked, secrets), asked)

    def _wait_for(self, running: Future[CheckResult], asked: Inquiry) -> CheckResult:
        """A name that is looked up in vain keeps its thread longer than anybody should wait."""
        running.add_done_callback(lambda _: self._free.release())
        try:
            return running.result(SECONDS + 1)
        except TimeoutError:
            return findings.unreachable(asked.host)


class _Client(AiohttpUpstream):
    """The gateway's client, which remembers whom it could not reach, whoever asked it to."""

    unreached = ""

    async def send(self, request: Request) -> AiohttpAnswer:
        try:
            return await super().send(request)
        except Unreachable:
            self.unreached = urlsplit(request.url).hostname or ""
            raise


def _run(asked: Inquiry, secrets: Secrets) -> CheckResult:
    return asyncio.run(_check(asked, secrets))


async def _check(asked: Inquiry, secrets: Secrets) -> CheckResult:
    client = _Client(connect_seconds=SECONDS)
    try:
        async with asyncio.timeout(SECONDS):
            result = await _ask(client, asked, secrets)
            return await _proven(client, asked, secrets) if result.passed else result
    except TimeoutError:
        return findings.unreachable(asked.host)
    finally:
        await client.close()


async def _proven(client: _Client, asked: Inquiry, secrets: Secrets) -> CheckResult:
    """Say what a success is worth: nothing where a wrong key is not refused.

    Of a provider's own address the catalogue knows that. Any other, such as a proxy, is asked
    once more, with a key that nobody can know.
    """
    if asked.is_own:
        return findings.works(asked) if asked.verification.enforced else findings.unproven(asked)
    if not secrets:
        return findings.no_key(asked)
    answer = await _ask(client, asked, wrong(secrets))
    was_refused = answer.outcome in (checks.REFUSED, checks.LIMITED)
    return findings.works(asked) if was_refused else findings.takes_any(asked)


async def _ask(client: _Client, asked: Inquiry, secrets: Secrets) -> CheckResult:
    request = asked.request(secrets)
    credentials = Credentials("check", asked.plan, secrets)
    try:
        await Signing(client).sign(request, asked.header_templates, credentials)
        if asked.verification.kind == "token_exchange":
            return findings.works(asked)
        status, body = await _answer(client, request)
    except Refused as error:
        return CheckResult(checks.REFUSED, str(error))
    except CannotSign as error:
        if client.unreached:
            return findings.unreachable(client.unreached)
        return CheckResult(checks.UNCLEAR, str(error))
    except (Unreachable, Broken):
        return findings.unreachable(asked.host)
    return findings.meaning_of(status, body, asked)


async def _answer(client: _Client, request: Request) -> tuple[int, bytes]:
    """Return the status, and of a 400 the beginning of the body, which may say why."""
    answer = await client.send(request)
    body = b""
    try:
        if answer.status == 400:
            async for chunk in answer.chunks():
                body += chunk
                if len(body) >= MAX_ANSWER:
                    break
        return answer.status, body[:MAX_ANSWER]
    finally:
        answer.close()
