"""All URLs."""

from django.contrib import admin
from django.contrib.auth import views as auth_views
from django.urls import include, path

from endpoints.usage import metrics

from . import views
from .accounts.sign_in import ChangePasswordView
from .views import overview

handler400 = "gatewayproject.views.bad_request"
handler404 = "gatewayproject.views.not_found"
handler500 = "gatewayproject.views.server_error"

urlpatterns = [
    path("", overview, name="home"),
    path("", include("gatewayproject.accounts.urls")),
    path("", include("apikeys.urls")),
    path("", include("endpoints.urls")),
    path("login/", views.SignInView.as_view(redirect_authenticated_user=True), name="login"),
    path("logout/", auth_views.LogoutView.as_view(), name="logout"),
    path("password/", ChangePasswordView.as_view(), name="password_change"),
    path("admin/", admin.site.urls),
    path("favicon.ico", views.favicon, name="favicon"),
    path("metrics", metrics.metrics, name="metrics"),
    path("healthz", views.healthz, name="healthz"),
    path("readyz", views.readyz, name="readyz"),
]
