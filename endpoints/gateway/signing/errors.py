"""Why a request is not signed."""


class CannotSign(Exception):
    """The credential cannot be put to use. The message says why and holds nothing of it."""


class Refused(CannotSign):
    """Who should have issued a token for the credential refused it, with this HTTP status."""

    def __init__(self, message: str, status: int) -> None:
        super().__init__(message, status)
        self.status = status

    def __str__(self) -> str:
        return str(self.args[0])
