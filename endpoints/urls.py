"""The URLs of endpoints."""

from django.urls import path

from .views import endpoints, playground, tokens

app_name = "endpoints"

urlpatterns = [
    path("endpoints/", endpoints.endpoint_list, name="list"),
    path("endpoints/new/", endpoints.endpoint_new, name="new"),
    path("endpoints/<str:name>/", endpoints.endpoint_detail, name="detail"),
    path("endpoints/<str:name>/edit/", endpoints.endpoint_edit, name="edit"),
    path("endpoints/<str:name>/delete/", endpoints.endpoint_delete, name="delete"),
    path("endpoints/<str:name>/try/", playground.endpoint_try, name="try"),
    path("tokens/", tokens.token_list, name="tokens"),
    path("tokens/new/", tokens.token_new, name="token_new"),
    path("tokens/<int:pk>/", tokens.token_detail, name="token"),
    path("tokens/<int:pk>/endpoints/", tokens.token_endpoints, name="token_endpoints"),
    path("tokens/<int:pk>/edit/", tokens.token_edit, name="token_edit"),
    path("tokens/<int:pk>/revoke/", tokens.token_revoke, name="token_revoke"),
    path("tokens/<int:pk>/delete/", tokens.token_delete, name="token_delete"),
]
