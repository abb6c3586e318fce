"""The URLs of API keys."""

from django.urls import path

from . import views

app_name = "apikeys"

urlpatterns = [
    path("api-keys/", views.api_key_list, name="list"),
    path("api-keys/new/", views.api_key_new, name="new"),
    path("api-keys/<uuid:pk>/", views.api_key_detail, name="detail"),
    path("api-keys/<uuid:pk>/endpoints/", views.api_key_endpoints, name="endpoints"),
    path("api-keys/<uuid:pk>/edit/", views.api_key_edit, name="edit"),
    path("api-keys/<uuid:pk>/delete/", views.api_key_delete, name="delete"),
    path("activity/", views.activity, name="activity"),
]
