"""The Activity page: audit events, also of deleted rows."""

from django.http import HttpRequest, HttpResponse
from django.shortcuts import render

from gatewayproject.console.decorators import require_page_methods, without_empty_parameters
from gatewayproject.console.list_pages import page_of

from .forms.activity import ActivityForm
from .models import AuditEvent, attach_subjects, group_events


@require_page_methods
@without_empty_parameters
def activity(request: HttpRequest) -> HttpResponse:
    form = ActivityForm(request.GET)
    page = page_of(form.events(), AuditEvent.objects.all(), request.GET.get("page"))
    attach_subjects(page.object_list)
    events = group_events(page, is_cut=page.has_next())
    person = "" if form.errors else form.cleaned_data["person"]
    context = {"form": form, "page": page, "events": events, "person": person}
    return render(request, "accounts/activity.html", context)
