"""The list of endpoints."""

from endpoints.models import Endpoint, EndpointQuerySet

from .listing import ListForm


class EndpointListForm(ListForm):
    states = Endpoint.State.choices

    def endpoints(self) -> EndpointQuerySet:
        if self.errors:
            return Endpoint.objects.none()
        chosen = self.cleaned_data
        return (
            Endpoint.objects.search(chosen["q"]).in_state(chosen["state"]).sorted_by(self.sort_key)
        )
