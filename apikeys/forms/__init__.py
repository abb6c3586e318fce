"""The forms of API keys."""

from .api_key import ApiKeyForm
from .base import RefusableForm
from .choosing import ChooseForm
from .deleting import DeleteApiKeyForm
from .listing import ApiKeyListForm
from .widgets import ComboboxField, NamedKeyField, OptionalField, RevisionField

__all__ = [
    "ApiKeyForm",
    "ApiKeyListForm",
    "ChooseForm",
    "ComboboxField",
    "DeleteApiKeyForm",
    "NamedKeyField",
    "OptionalField",
    "RefusableForm",
    "RevisionField",
]
