"""Why a request is not signed."""


class CannotSign(Exception):
    """The credential cannot be used. The message gives the reason and contains no part of it."""


class TokenServiceUnavailable(CannotSign):
    """The token service could not be reached, or failed. The next request may succeed."""


class CredentialsRefused(CannotSign):
    """The token service refused the credential, with this HTTP status."""

    def __init__(self, message: str, status: int) -> None:
        super().__init__(message, status)
        self.status = status

    def __str__(self) -> str:
        return str(self.args[0])
