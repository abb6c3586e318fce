"""The URLs of API keys."""

from django.urls import path

from . import views
from .views.acts import ACTS

app_name = "apikeys"

urlpatterns = [
    path("api-keys/", views.api_key_list, name="list"),
    path("api-keys/new/", views.api_key_new, name="new"),
    path("api-keys/<uuid:pk>/", views.api_key_detail, name="detail"),
    path("api-keys/<uuid:pk>/endpoints/", views.api_key_endpoints, name="endpoints"),
    path("api-keys/<uuid:pk>/edit/", views.api_key_edit, name="edit"),
    path("api-keys/<uuid:pk>/delete/", views.api_key_delete, name="delete"),
    path("api-keys/<uuid:pk>/test/", views.api_key_test, name="test"),
    *(
        path(
            f"api-keys/<uuid:pk>/{slug}/",
            views.api_key_act,
            {"act": act},
            name=slug.replace("-", "_"),
        )
        for slug, act in ACTS.items()
    ),
    path("activity/", views.activity, name="activity"),
    path("encryption/", views.encryption, name="encryption"),
]
