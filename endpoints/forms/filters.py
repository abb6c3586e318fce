"""The list of endpoints."""

from endpoints.models import Endpoint, EndpointQuerySet
from endpoints.services.health import in_state
from gatewayproject.console.filters import ListForm


class EndpointListForm(ListForm):
    states = Endpoint.State.choices

    def endpoints(self) -> EndpointQuerySet:
        if self.errors:
            return Endpoint.objects.none()
        chosen = self.cleaned_data
        found = Endpoint.objects.search(chosen["q"]).sorted_by(self.sort_key)
        return in_state(found, chosen["state"])
