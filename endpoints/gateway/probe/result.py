"""Results of tests. Messages never contain text of the provider, which may repeat a secret."""

from apikeys.catalogue.provider_errors import Cause, facts_of, meaning_of
from apikeys.credential_tests import ProbeResult
from apikeys.models import Verdict
from endpoints.gateway.upstream.client import Headers, Unreachable

from .request import Probe

SECONDS = 15  # that a test may take


def result_of(status: int, headers: Headers, body: bytes, asked: Probe) -> ProbeResult:
    """Return what a response means. That the key works is still to be proven: see ``runner``."""
    if status in asked.verification.ok:
        return works(asked)
    meaning = meaning_of(facts_of(status, headers, body), asked.plan.errors)
    who, what = asked.who, asked.what
    cause = meaning.cause if meaning else None
    reply = f"{status}, {meaning.code}" if meaning and meaning.code else str(status)
    match cause:
        case Cause.WRONG_KEY:
            return refused(status, asked)
        case Cause.NO_CREDIT:
            words = f"{who} recognizes {what}, but the account has no credit left ({reply})."
            return ProbeResult(Verdict.NO_CREDIT, words)
        case Cause.NOT_PERMITTED:
            words = (
                f"{who} does not permit {what} to make this call ({reply}). Its permissions may be "
                "limited, or this server’s IP address may be blocked."
            )
            return ProbeResult(Verdict.LIMITED, words)
        case Cause.LOCATION:
            words = f"{who} does not serve the location of this server ({reply})."
            return ProbeResult(Verdict.LIMITED, words)
        case Cause.CHALLENGE:
            words = (
                f"A firewall in front of {who} blocked the request ({reply}), so {what} could not "
                "be verified."
            )
            return ProbeResult(Verdict.UNCLEAR, words)
    if status == 429:
        words = f"{who} limited the rate of requests (429). Try again in a minute."
        return ProbeResult(Verdict.RATE_LIMITED, words)
    return ProbeResult(Verdict.UNCLEAR, _unclear(status, asked))


def _unclear(status: int, asked: Probe) -> str:
    if status == 404:
        return f"{asked.who} returned 404 for this address. {asked.where}"
    if 300 <= status < 400:
        return (
            f"{asked.who} returned a redirect ({status}). Gatehouse does not follow redirects. "
            f"{asked.where}"
        )
    if status >= 500:
        return (
            f"{asked.who} returned a server error ({status}), so {asked.what} could not be "
            "verified. Try again later."
        )
    return f"{asked.who} returned {status}, so {asked.what} could not be verified."


def works(asked: Probe) -> ProbeResult:
    words = f"{asked.who} accepts {asked.what}"
    if asked.is_own:
        words = f"{words}. {asked.verification.note}".rstrip()
    else:
        words += ", and refuses an invalid one."
    return ProbeResult(Verdict.WORKS, words, reached_api=asked.is_at_api)


def refused(status: int, asked: Probe) -> ProbeResult:
    verb = "does not recognize" if status == 401 else "refuses"
    words = f"{asked.who} {verb} {asked.what} ({status})."
    if asked.verification.service == "sts":
        # Source: trufflehog's detector of AWS keys, which found this out by trying.
        words += " If you just corrected it, wait a few seconds: AWS caches the wrong one."
    return ProbeResult(Verdict.REFUSED, words, status)


def unreachable(error: Unreachable) -> ProbeResult:
    return ProbeResult(Verdict.UNREACHABLE, str(error))


def uncheckable(reason: str) -> ProbeResult:
    return ProbeResult(Verdict.UNCHECKABLE, f"Not verified: {reason}")


def unproven(asked: Probe) -> ProbeResult:
    """It responded, which proves nothing, since it may accept every request."""
    if asked.verification.enforced is False:
        return uncheckable(f"{asked.who} also accepts requests without a key.")
    return uncheckable(f"{asked.who} responded, but it may also accept an invalid key.")


def no_key(asked: Probe) -> ProbeResult:
    return ProbeResult(
        Verdict.UNCHECKABLE,
        f"{asked.host} responded. This key has no credentials to verify.",
    )


def takes_any(asked: Probe) -> ProbeResult:
    return uncheckable(f"{asked.host} also accepts an invalid key.")


BUSY = ProbeResult(
    Verdict.UNCLEAR, "Not tested: too many tests are running. Try again in a few seconds."
)
UNDECLARED = uncheckable("its authentication method has no test.")
