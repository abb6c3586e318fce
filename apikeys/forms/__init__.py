"""The forms of API keys."""

from .api_key import ApiKeyForm
from .base import RefusableForm
from .choosing import ChooseForm
from .credentials import LastDayField
from .deleting import DeleteApiKeyForm
from .listing import ApiKeyListForm
from .rotating import ActForm, CheckForm, DisableForm, PromoteForm, SecretsForm, StageForm
from .widgets import ComboboxField, NamedKeyField, OptionalField, RevisionField

__all__ = [
    "ActForm",
    "ApiKeyForm",
    "ApiKeyListForm",
    "CheckForm",
    "ChooseForm",
    "ComboboxField",
    "DeleteApiKeyForm",
    "DisableForm",
    "LastDayField",
    "NamedKeyField",
    "OptionalField",
    "PromoteForm",
    "RefusableForm",
    "RevisionField",
    "SecretsForm",
    "StageForm",
]
