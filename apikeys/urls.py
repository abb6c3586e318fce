"""The URLs of API keys."""

from django.urls import path

from . import views

app_name = "apikeys"

urlpatterns = [
    path("api-keys/", views.api_key_list, name="list"),
    path("api-keys/new/", views.api_key_new, name="new"),
    path("api-keys/export/", views.api_keys_export, name="export"),
    path("api-keys/selected/disable/", views.api_keys_disable, name="bulk_disable"),
    path("api-keys/selected/enable/", views.api_keys_enable, name="bulk_enable"),
    path("api-keys/selected/edit/", views.api_keys_edit, name="bulk_edit"),
    path("api-keys/selected/delete/", views.api_keys_delete, name="bulk_delete"),
    path("api-keys/<uuid:pk>/", views.api_key_detail, name="detail"),
    path("api-keys/<uuid:pk>/endpoints/", views.api_key_endpoints, name="endpoints"),
    path("api-keys/<uuid:pk>/edit/", views.api_key_edit, name="edit"),
    path("api-keys/<uuid:pk>/delete/", views.api_key_delete, name="delete"),
    path("api-keys/<uuid:pk>/move/", views.api_key_move, name="move"),
    path("api-keys/<uuid:pk>/test/", views.api_key_test, name="test"),
    path("api-keys/<uuid:pk>/stage/", views.api_key_stage, name="stage"),
    path("api-keys/<uuid:pk>/promote/", views.api_key_promote, name="promote"),
    path("api-keys/<uuid:pk>/roll-back/", views.api_key_roll_back, name="roll_back"),
    path("api-keys/<uuid:pk>/discard/", views.api_key_discard, name="discard"),
    path("api-keys/<uuid:pk>/destroy/", views.api_key_destroy, name="destroy"),
    path("api-keys/<uuid:pk>/disable/", views.api_key_disable, name="disable"),
    path("api-keys/<uuid:pk>/enable/", views.api_key_enable, name="enable"),
    path("encryption/", views.encryption, name="encryption"),
]
