"""The acts of rotating an API key: what each page says, and which service it calls."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from apikeys import services
from apikeys.forms import ActForm, CheckForm, DisableForm, PromoteForm, StageForm


@dataclass(frozen=True)
class Act:
    """An act on a key: what its page says, and what it calls."""

    title: str  # of the page, before the name of the key
    button: str
    says: str
    done: str
    service: Callable[..., Any]
    form: type[ActForm] = ActForm
    needs: str = ""  # the version without which there is nothing to do
    style: str = "primary"
    touches_traffic: bool = False
    template: str = "apikeys/rotate.html"


STAGE = Act(
    title="Stage new credentials for",
    button="Stage",
    says="They wait, sealed, until they are promoted. Until then nothing changes for anybody.",
    done="Staged new credentials for {}. Test them, then promote them.",
    service=services.stage_credentials,
    form=StageForm,
    template="apikeys/stage.html",
)
CHECK = Act(
    title="Test",
    button="Test",
    says="The provider is asked once with these credentials, where that costs nothing.",
    done="",
    service=services.check_credentials,
    form=CheckForm,
)
PROMOTE = Act(
    title="Promote the pending credentials of",
    button="Promote",
    says="They are in use from the next request on. Those in use now become the previous ones, "
    "and you can roll back to them until they are destroyed.",
    done="Promoted: {} uses the new credentials.",
    service=services.promote_credentials,
    form=PromoteForm,
    needs="pending",
    touches_traffic=True,
)
ROLL_BACK = Act(
    title="Roll back",
    button="Roll back",
    says="The previous credentials are in use again from the next request on, and those in use "
    "now become the previous ones. Rolling back once more undoes it.",
    done="Rolled back: {} uses the previous credentials again.",
    service=services.roll_back_credentials,
    needs="previous",
    touches_traffic=True,
)
DISCARD = Act(
    title="Discard the pending credentials of",
    button="Discard",
    says="They are destroyed. What is in use stays as it is.",
    done="Discarded the pending credentials of {}.",
    service=services.discard_pending,
    needs="pending",
    style="danger primary",
)
DESTROY = Act(
    title="Destroy the previous credentials of",
    button="Destroy",
    says="There is no way back to them then. What is in use stays as it is.",
    done="Destroyed the previous credentials of {}.",
    service=services.destroy_previous,
    needs="previous",
    style="danger primary",
)
DISABLE = Act(
    title="Disable",
    button="Disable",
    says="Nothing is sent with this key any more, from the next request on. Everything is kept: "
    "enabling it undoes this.",
    done="Disabled {}. Nothing is sent with it any more.",
    service=services.disable_api_key,
    form=DisableForm,
    style="danger primary",
    touches_traffic=True,
)
ENABLE = Act(
    title="Enable",
    button="Enable",
    says="The gateway uses this key again from the next request on.",
    done="Enabled {}.",
    service=services.enable_api_key,
    touches_traffic=True,
)

# The URL of each below the key's own, and the act; testing has a view of its own.
ACTS = {
    "stage": STAGE,
    "promote": PROMOTE,
    "roll-back": ROLL_BACK,
    "discard": DISCARD,
    "destroy": DESTROY,
    "disable": DISABLE,
    "enable": ENABLE,
}
