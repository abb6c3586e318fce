"""The APIs of each dialect, as the catalogue names them, and which one a path belongs to."""

# By the beginning of the path, the longest first. A path that is not here is sent to any provider
# of the dialect.
_OPENAI = {
    "chat/completions": "chat",
    "completions": "completions",
    "responses": "responses",
    "embeddings": "embeddings",
    "images": "images",
    "audio/speech": "speech",
    "audio/transcriptions": "transcriptions",
    "audio/translations": "transcriptions",
    "moderations": "moderations",
    "files": "files",
    "uploads": "files",
    "batches": "batches",
}
_ANTHROPIC = {
    "messages/count_tokens": "count_tokens",
    "messages/batches": "batches",
    "messages": "messages",
    "files": "files",
}
_GOOGLE = {
    "models": "models",
    "cachedContents": "cached_contents",
    "interactions": "interactions",
    "files": "files",
    "batches": "batches",
}
_APIS = {"openai": _OPENAI, "anthropic": _ANTHROPIC, "google": _GOOGLE}
# What people call them.
_TITLES = {"openai": "OpenAI", "anthropic": "Anthropic", "google": "Google"}
_BASES = {"openai": "/gateway/v1", "anthropic": "/gateway/anthropic", "google": "/gateway/gemini"}


def api_of(dialect: str, operation: str) -> str:
    """Return which API of ``dialect`` has this path, or ``""`` if it is not listed here."""
    for beginning, api in _APIS[dialect].items():
        if operation == beginning or operation.startswith(f"{beginning}/"):
            return api
    return ""


def paths_of(dialect: str, apis: tuple[str, ...]) -> list[str]:
    """Return one path for each of ``apis``, as a client would call it."""
    paths = {api: path for path, api in reversed(_APIS[dialect].items())}
    return [f"/v1/{paths[api]}" for api in apis if api in paths]


def base_url_for(dialect: str) -> str:
    """Return how the base URL of an SDK of ``dialect`` ends, and whose SDK that is."""
    return f"{_BASES[dialect]} ({_TITLES[dialect]}'s SDK)"
