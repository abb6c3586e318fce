"""The forms of API keys."""

from .api_key import ApiKeyForm
from .bulk import BulkDeleteForm, BulkDetailsForm, BulkDisableForm, BulkForm
from .credentials import LastDayField
from .delete import DeleteApiKeyForm
from .filters import ApiKeyListForm
from .move import MoveForm
from .named_key import NamedKeyField
from .provider_choice import ChooseForm
from .rotation import ActionForm, DisableForm, PromoteForm, SecretsForm, StageForm, TestForm

__all__ = [
    "ActionForm",
    "ApiKeyForm",
    "ApiKeyListForm",
    "BulkDeleteForm",
    "BulkDetailsForm",
    "BulkDisableForm",
    "BulkForm",
    "ChooseForm",
    "DeleteApiKeyForm",
    "DisableForm",
    "LastDayField",
    "MoveForm",
    "NamedKeyField",
    "PromoteForm",
    "SecretsForm",
    "StageForm",
    "TestForm",
]
