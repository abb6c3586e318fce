"""What came of a check, in our words; never the provider's, which may repeat a secret."""

from apikeys import checks
from apikeys.checks import CheckResult

from .inquiry import Inquiry

SECONDS = 15  # that a check may take


def meaning_of(status: int, body: bytes, asked: Inquiry) -> CheckResult:
    """Say what an answer means. That it works is yet to be proven: see ``checking``."""
    who, what = asked.who, asked.what
    if _is_refusal(status, body, asked):
        return refused(status, asked)
    if status in asked.verification.ok:
        return works(asked)
    if status == 402:
        words = f"{who} knows {what}, but the account has no credit left (402)."
        return CheckResult(checks.NO_CREDIT, words)
    if status == 403:
        return CheckResult(
            checks.LIMITED,
            f"{who} does not let {what} make this call (403). It may be limited to other calls, or "
            "this server’s address may be barred.",
        )
    if status == 429:
        words = f"{who} was asked too often to tell (429). Try again in a minute."
        return CheckResult(checks.RATE_LIMITED, words)
    return CheckResult(checks.UNCLEAR, _unclear(status, asked))


def _is_refusal(status: int, body: bytes, asked: Inquiry) -> bool:
    if status == 404 and not asked.is_own:
        return False  # the address is as likely the reason
    says = asked.verification.invalid_says
    if status == 400 and says and says.encode() not in body:
        return False
    return status == 401 or status in asked.verification.invalid


def _unclear(status: int, asked: Inquiry) -> str:
    if status == 404:
        return f"{asked.who} has nothing at this address (404). {asked.where}"
    if 300 <= status < 400:
        return (
            f"{asked.who} answered with a redirect ({status}), which is never followed with a key. "
            f"{asked.where}"
        )
    if status >= 500:
        return (
            f"{asked.who} has trouble of its own ({status}), which says nothing about "
            f"{asked.what}. Try again later."
        )
    return f"{asked.who} answered {status}, which says nothing about {asked.what}."


def works(asked: Inquiry) -> CheckResult:
    words = f"{asked.who} accepts {asked.what}"
    if not asked.is_own:
        return CheckResult(checks.WORKS, f"{words}, and refuses a made-up one.")
    return CheckResult(checks.WORKS, f"{words}. {asked.verification.note}".rstrip())


def refused(status: int, asked: Inquiry) -> CheckResult:
    verb = "does not know" if status == 401 else "refuses"
    words = f"{asked.who} {verb} {asked.what} ({status})."
    if asked.verification.service == "sts":
        # Source: trufflehog's detector of AWS keys, which found this out by trying.
        words += " If you have just corrected it, wait some seconds: AWS remembers the wrong one."
    return CheckResult(checks.REFUSED, words)


def unreachable(host: str) -> CheckResult:
    """One answer to every failure: which one it was would tell what listens where."""
    return CheckResult(
        checks.UNREACHABLE,
        f"{host} could not be reached. Its name or port may be wrong, its certificate may not be "
        "valid, it may be on a private network that no operator has allowed, or it did not answer "
        f"within {SECONDS} seconds.",
    )


def uncheckable(reason: str) -> CheckResult:
    return CheckResult(checks.UNCHECKABLE, f"This cannot be checked for free: {reason}")


def unproven(asked: Inquiry) -> CheckResult:
    """It answered, which proves nothing, because it may do so for everybody."""
    if asked.verification.enforced is False:
        return uncheckable(f"{asked.who} answered, but it answers everybody.")
    return uncheckable(
        f"{asked.who} answered, but nobody has confirmed that it refuses a wrong key."
    )


def no_key(asked: Inquiry) -> CheckResult:
    return CheckResult(
        checks.UNCHECKABLE, f"{asked.host} answered. There is no key that could be checked."
    )


def takes_any(asked: Inquiry) -> CheckResult:
    return uncheckable(f"{asked.host} answered, but it did not refuse a made-up key either.")


BUSY = CheckResult(
    checks.UNCLEAR, "Not tested: many tests are running right now. Try again in some seconds."
)
UNDECLARED = uncheckable("its authentication method does not say how.")
