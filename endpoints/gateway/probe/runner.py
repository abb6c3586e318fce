"""Tests credentials: a call to the provider, with the client and the signing of the gateway."""

import asyncio
from concurrent.futures import ThreadPoolExecutor
from threading import BoundedSemaphore

from django.core.exceptions import ValidationError

from apikeys.credential_tests import ProbeResult
from apikeys.models import ApiKey, Verdict
from apikeys.sealing import Secrets
from endpoints.gateway.signing import CannotSign, Credentials, CredentialsRefused, Signing
from endpoints.gateway.upstream.aiohttp_client import AiohttpResponse, AiohttpUpstream
from endpoints.gateway.upstream.client import (
    Headers,
    Request,
    ResponseBroken,
    TimedOut,
    Unreachable,
)

from . import result as results
from .request import Probe, wrong
from .result import SECONDS

AT_ONCE = 4  # of the threads that serve pages; the others stay free
MAX_RESPONSE = 64 * 1024  # bytes


class GatewayTester:
    """The one ``Tester``. Each test has an event loop and a client of its own."""

    def __init__(self) -> None:
        self._threads = ThreadPoolExecutor(AT_ONCE, thread_name_prefix="checking")
        self._free = BoundedSemaphore(AT_ONCE)

    def test(self, api_key: ApiKey, secrets: Secrets) -> ProbeResult:
        """Call the provider with ``secrets``, if that is free, and report the result.

        Waits for at most 15 seconds.
        """
        try:
            asked = Probe.about(api_key)
        except (ValidationError, ValueError):
            return results.UNDECLARED
        if why := asked.uncheckable_because():
            return results.uncheckable(why)
        if not self._free.acquire(blocking=False):
            return results.BUSY
        running = self._threads.submit(lambda: asyncio.run(_check(asked, secrets)))
        running.add_done_callback(lambda _: self._free.release())
        try:  # a name lookup without a response keeps its thread longer than a user should wait
            return running.result(SECONDS + 1)
        except TimeoutError:
            return results.unreachable(TimedOut(asked.host))


TESTER = GatewayTester()  # the limit of tests at once holds for the process


class _Client(AiohttpUpstream):
    """The gateway's client, which remembers what it could not reach."""

    unreached: Unreachable | None = None

    async def send(self, request: Request) -> AiohttpResponse:
        try:
            return await super().send(request)
        except Unreachable as error:
            self.unreached = error
            raise


async def _check(asked: Probe, secrets: Secrets) -> ProbeResult:
    client = _Client(connect_seconds=SECONDS)
    try:
        async with asyncio.timeout(SECONDS):
            result = await _ask(client, asked, secrets)
            return await _proven(client, asked, secrets) if result.passed else result
    except TimeoutError:
        return results.unreachable(TimedOut(asked.host))
    finally:
        await client.close()


async def _proven(client: _Client, asked: Probe, secrets: Secrets) -> ProbeResult:
    """Return what a success proves: nothing if an invalid key is not refused.

    For a provider's own address the catalogue knows that. Any other, such as a proxy, is called
    once more with an invalid key.
    """
    if asked.is_own:
        return results.works(asked) if asked.verification.enforced else results.unproven(asked)
    if not secrets:
        return results.no_key(asked)
    result = await _ask(client, asked, wrong(secrets))
    was_refused = result.outcome in (Verdict.REFUSED, Verdict.LIMITED)
    return results.works(asked) if was_refused else results.takes_any(asked)


async def _ask(client: _Client, asked: Probe, secrets: Secrets) -> ProbeResult:
    request = asked.request(secrets)
    credentials = Credentials("check", asked.plan, secrets)
    try:
        await Signing(client).sign(request, asked.header_templates, credentials, for_test=True)
        if asked.verification.kind == "token_exchange":
            return results.works(asked)
        status, headers, body = await _send(client, request)
    except CredentialsRefused as error:
        return ProbeResult(Verdict.REFUSED, str(error), error.status)
    except CannotSign as error:
        if client.unreached:
            return results.unreachable(client.unreached)
        return ProbeResult(Verdict.UNCLEAR, str(error))
    except Unreachable as error:
        return results.unreachable(error)
    except ResponseBroken:
        return results.unreachable(Unreachable(asked.host, "connection closed"))
    return results.result_of(status, headers, body, asked)


async def _send(client: _Client, request: Request) -> tuple[int, Headers, bytes]:
    """Return the status, the headers, and the beginning of an error's body, which may give the
    reason."""
    response = await client.send(request)
    body = b""
    try:
        if response.status >= 400:
            async for chunk in response.chunks():
                body += chunk
                if len(body) >= MAX_RESPONSE:
                    break
        return response.status, response.headers, body[:MAX_RESPONSE]
    finally:
        response.close()
