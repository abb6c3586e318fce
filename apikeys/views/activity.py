"""The trail of what was done, deleted things included."""

from django.http import HttpRequest, HttpResponse
from django.shortcuts import render

from apikeys.models import Event
from apikeys.pages import page_of, require_page_methods


@require_page_methods
def activity(request: HttpRequest) -> HttpResponse:
    events = Event.objects.all()
    query = request.GET.get("q", "").strip()[:120]
    if query and "\0" not in query:
        events = events.filter(subject_name__icontains=query)
    page = page_of(events, Event.objects.all(), request.GET.get("page"))
    return render(request, "apikeys/activity.html", {"page": page, "query": query})
