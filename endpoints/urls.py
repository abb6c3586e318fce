"""The URLs of endpoints."""

from django.urls import path

from . import views

app_name = "endpoints"

urlpatterns = [
    path("endpoints/", views.endpoint_list, name="list"),
    path("endpoints/new/", views.endpoint_new, name="new"),
    path("endpoints/<str:name>/", views.endpoint_detail, name="detail"),
    path("endpoints/<str:name>/edit/", views.endpoint_edit, name="edit"),
    path("endpoints/<str:name>/delete/", views.endpoint_delete, name="delete"),
]
