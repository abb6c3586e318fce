"""How many bytes of requests and responses a process holds, in all and for each token."""

from .problems import Problem, Refusal


class Memory:
    """Counts the bytes of request bodies from when they arrive until their response is sent, and
    of responses that are held as a whole."""

    def __init__(self, limit: int, token_limit: int) -> None:
        self.limit, self.token_limit = limit, token_limit
        self.used = 0
        self.used_by: dict[str, int] = {}  # token digest -> bytes

    def of(self, token: str) -> "Share":
        return Share(self, token)


class Share:
    """The bytes of one request: ``with memory.of(token) as share: share.take(10)``."""

    __slots__ = ("_memory", "_taken", "_token")

    def __init__(self, memory: Memory, token: str) -> None:
        self._memory, self._token, self._taken = memory, token, 0

    def __enter__(self) -> "Share":
        return self

    def take(self, size: int) -> None:
        """Count ``size`` bytes. Raises ``Refusal`` if they are too many."""
        memory, token = self._memory, self._token
        used_by = memory.used_by.get(token, 0) + size
        if used_by > memory.token_limit:
            raise Refusal(Problem.TOKEN_BUFFER_FULL)
        if memory.used + size > memory.limit:
            raise Refusal(Problem.GATEWAY_BUFFER_FULL)
        memory.used_by[token] = used_by
        memory.used += size
        self._taken += size

    def has_room_for(self, size: int) -> bool:
        """Count ``size`` bytes, unless they are too many."""
        try:
            self.take(size)
        except Refusal:
            return False
        return True

    def __exit__(self, *error: object) -> None:
        memory, token = self._memory, self._token
        memory.used -= self._taken
        left = memory.used_by.get(token, 0) - self._taken
        if left > 0:
            memory.used_by[token] = left
        else:
            memory.used_by.pop(token, None)
