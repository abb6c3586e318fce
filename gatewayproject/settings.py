"""Settings, all of them from the environment. ``.env.example`` explains each one."""

from pathlib import Path

import environ
from csp.constants import NONE, SELF
from django.core.exceptions import ImproperlyConfigured

from gatewayproject import keyring

BASE_DIR = Path(__file__).resolve().parent.parent

env = environ.Env()
env.read_env(env.str("ENV_FILE", default=str(BASE_DIR / ".env")))

DEBUG = env.bool("DEBUG", default=False)
DATA_DIR = Path(env.str("GATEWAY_DATA_DIR", default=str(BASE_DIR / "var"))).resolve()

# --- Secrets -----------------------------------------------------------------------------------


def _master_keys() -> list[str]:
    if path := env.str("FERNET_KEYS_FILE", default=""):
        try:
            return Path(path).read_text().replace(",", "\n").split()
        except OSError as error:
            raise ImproperlyConfigured(f"FERNET_KEYS_FILE: {error.strerror}: {path}") from None
    return env.list("FERNET_KEYS", default=[])


with keyring.reasons_alone():
    SECRET_KEY = env.str("SECRET_KEY", default="")
    FERNET_KEYS = _master_keys()
    ALLOWED_HOSTS = env.list("ALLOWED_HOSTS", default=[])
    METRICS_TOKEN = env.str("METRICS_TOKEN", default="").strip()
    if DEBUG:
        SECRET_KEY = SECRET_KEY or keyring.read_or_create(
            DATA_DIR / "secret_key", keyring.generate_secret_key
        )
        FERNET_KEYS = FERNET_KEYS or [
            keyring.read_or_create(DATA_DIR / "master_key", keyring.generate_master_key)
        ]
        ALLOWED_HOSTS = ALLOWED_HOSTS or [
            ".localhost",
            "127.0.0.1",
            "[::1]",
            env.str("HOST", default="localhost"),
        ]
    _missing = [
        name
        for name, value in {
            "SECRET_KEY": SECRET_KEY,
            "FERNET_KEYS (or FERNET_KEYS_FILE)": FERNET_KEYS,
            "ALLOWED_HOSTS": ALLOWED_HOSTS,
        }.items()
        if not value
    ]
    if _missing:
        raise ImproperlyConfigured(
            f"with DEBUG off, set {', '.join(_missing)}. "
            "See .env.example; `make run` sets DEBUG for a trial on this machine."
        )
    if METRICS_TOKEN and len(METRICS_TOKEN) < 16:
        raise ImproperlyConfigured("METRICS_TOKEN: use 16 characters or more, and random ones.")
    FERNET_KEYS = keyring.parse_master_keys(FERNET_KEYS, secret_key=SECRET_KEY)
FERNET_USE_HKDF = False  # the keys are used as they are, so a token opens with any Fernet tool

# Origins on private networks that a key may be sent to, as http://10.0.0.5:8000 or http://localhost:*
ALLOWED_PRIVATE_ORIGINS = env.list(
    "ALLOWED_PRIVATE_ORIGINS",
    default=["http://localhost:*", "http://127.0.0.1:*"] if DEBUG else [],
)

# How long replaced credentials are kept, so that one can roll back to them.
PREVIOUS_KEPT_DAYS = env.int("PREVIOUS_KEPT_DAYS", default=7)

# --- The gateway -------------------------------------------------------------------------------

GATEWAY_MAX_BODY_MB = env.int("GATEWAY_MAX_BODY_MB", default=32)
GATEWAY_CONNECT_SECONDS = env.float("GATEWAY_CONNECT_SECONDS", default=10)
GATEWAY_FIRST_BYTE_SECONDS = env.float("GATEWAY_FIRST_BYTE_SECONDS", default=300)
GATEWAY_IDLE_SECONDS = env.float("GATEWAY_IDLE_SECONDS", default=120)

# How long /readyz fails before the server stops to listen, once it is told to end.
DRAIN_SECONDS = env.float("DRAIN_SECONDS", default=0 if DEBUG else 3)

# How often a process that serves says which master keys it has; 0 for never, as in tests.
HEARTBEAT_SECONDS = 15

# --- Application -------------------------------------------------------------------------------

INSTALLED_APPS = [
    "gatewayproject.apps.GatewayAdminConfig",
    "django.contrib.auth",
    "django.contrib.contenttypes",
    "django.contrib.sessions",
    "django.contrib.messages",
    "django.contrib.staticfiles",
    "django.forms",
    "axes",
    "csp",
    "django_htmx",
    "apikeys",
    "endpoints",
    "gatewayproject",
]

MIDDLEWARE = [
    "django.middleware.security.SecurityMiddleware",
    "whitenoise.middleware.WhiteNoiseMiddleware",
    "csp.middleware.CSPMiddleware",
    "gatewayproject.middleware.private_pages",
    "django.contrib.sessions.middleware.SessionMiddleware",
    "django.middleware.common.CommonMiddleware",
    "django.middleware.csrf.CsrfViewMiddleware",
    "django.contrib.auth.middleware.AuthenticationMiddleware",
    "gatewayproject.middleware.DatabaseAwayMiddleware",
    "django.contrib.messages.middleware.MessageMiddleware",
    "django.middleware.clickjacking.XFrameOptionsMiddleware",
    "django_htmx.middleware.HtmxMiddleware",
    "django.contrib.auth.middleware.LoginRequiredMiddleware",
    "axes.middleware.AxesMiddleware",
    "gatewayproject.middleware.htmx_redirects",  # innermost, or the cookies of messages are lost
]

ROOT_URLCONF = "gatewayproject.urls"
WSGI_APPLICATION = "gatewayproject.wsgi.application"
ASGI_APPLICATION = "gatewayproject.asgi.application"

TEMPLATES = [
    {
        "BACKEND": "django.template.backends.django.DjangoTemplates",
        "DIRS": [BASE_DIR / "templates"],
        "APP_DIRS": True,
        "OPTIONS": {
            "context_processors": [
                "django.template.context_processors.request",
                "django.contrib.auth.context_processors.auth",
                "django.contrib.messages.context_processors.messages",
            ],
            "builtins": ["gatewayproject.templatetags.ui"],
        },
    }
]
FORM_RENDERER = "django.forms.renderers.TemplatesSetting"

# --- Database ----------------------------------------------------------------------------------

DATABASES = {
    "default": env.db_url_config(
        env.str("DATABASE_URL", default="") or f"sqlite:///{DATA_DIR / 'gatehouse.sqlite3'}"
    )
}
_database = DATABASES["default"]
if _database["ENGINE"].endswith("sqlite3"):
    Path(_database["NAME"]).parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    _database["OPTIONS"] = {
        "transaction_mode": "IMMEDIATE",
        "timeout": 20,
        "init_command": (
            "PRAGMA journal_mode=WAL; PRAGMA synchronous=FULL; PRAGMA secure_delete=ON; "
            "PRAGMA cache_size=-32000;"
        ),
    }
else:
    _database["CONN_MAX_AGE"] = None
    _database["CONN_HEALTH_CHECKS"] = True
DEFAULT_AUTO_FIELD = "django.db.models.BigAutoField"

# --- Accounts ----------------------------------------------------------------------------------

LOGIN_URL = "login"
LOGIN_REDIRECT_URL = "home"
LOGOUT_REDIRECT_URL = "login"
AUTHENTICATION_BACKENDS = [
    "axes.backends.AxesStandaloneBackend",
    "django.contrib.auth.backends.ModelBackend",
]
PASSWORD_HASHERS = [
    "django.contrib.auth.hashers.Argon2PasswordHasher",
    "django.contrib.auth.hashers.PBKDF2PasswordHasher",
]
AUTH_PASSWORD_VALIDATORS = [
    {"NAME": f"django.contrib.auth.password_validation.{name}"}
    for name in (
        "UserAttributeSimilarityValidator",
        "MinimumLengthValidator",
        "CommonPasswordValidator",
        "NumericPasswordValidator",
    )
]
AXES_FAILURE_LIMIT = env.int("LOGIN_FAILURE_LIMIT", default=5)
AXES_COOLOFF_TIME = 0.25  # hours
AXES_LOCKOUT_PARAMETERS = [["username", "ip_address"]]
AXES_LOCKOUT_TEMPLATE = "registration/locked_out.html"
AXES_RESET_ON_SUCCESS = True
AXES_CLIENT_IP_CALLABLE = "apikeys.actors.client_address"
AXES_ENABLE_ADMIN = False
AXES_VERBOSE = False

# --- What browsers may do ----------------------------------------------------------------------

HTTPS = env.bool("HTTPS", default=not DEBUG)
CONTENT_SECURITY_POLICY = {
    "DIRECTIVES": {
        "default-src": [NONE],
        "script-src": [SELF],
        "style-src": [SELF],
        "img-src": [SELF, "data:"],
        "font-src": [SELF],
        "connect-src": [SELF],
        "form-action": [SELF],
        "frame-ancestors": [NONE],
        "base-uri": [NONE],
    }
}
X_FRAME_OPTIONS = "DENY"
SECURE_REFERRER_POLICY = "same-origin"
SECURE_SSL_REDIRECT = HTTPS
SECURE_REDIRECT_EXEMPT = [r"^healthz$", r"^readyz$"]
SECURE_HSTS_SECONDS = env.int("HSTS_SECONDS", default=31_536_000) if HTTPS else 0
SECURE_HSTS_INCLUDE_SUBDOMAINS = SECURE_HSTS_PRELOAD = HTTPS
if env.bool("BEHIND_TLS_PROXY", default=False):
    SECURE_PROXY_SSL_HEADER = ("HTTP_X_FORWARDED_PROTO", "https")
CSRF_TRUSTED_ORIGINS = env.list("CSRF_TRUSTED_ORIGINS", default=[])
SESSION_COOKIE_SECURE = CSRF_COOKIE_SECURE = HTTPS
SESSION_COOKIE_NAME = "__Host-session" if HTTPS else "gatehouse_session"
CSRF_COOKIE_NAME = "__Host-csrf" if HTTPS else "gatehouse_csrf"
SESSION_COOKIE_SAMESITE = CSRF_COOKIE_SAMESITE = "Lax"
SESSION_COOKIE_AGE = env.int("SESSION_SECONDS", default=12 * 3600)
CSRF_COOKIE_HTTPONLY = True
CSRF_FAILURE_VIEW = "gatewayproject.views.csrf_failure"

# A pasted credential is small: whatever is larger is refused before it is read into memory.
DATA_UPLOAD_MAX_MEMORY_SIZE = 512 * 1024
DATA_UPLOAD_MAX_NUMBER_FIELDS = 500
FILE_UPLOAD_HANDLERS: list[str] = []

# --- Static files, language, time --------------------------------------------------------------

STATIC_URL = "static/"
STATIC_ROOT = env.str("STATIC_ROOT", default=str(BASE_DIR / "staticfiles"))
STATICFILES_DIRS = [BASE_DIR / "static"]
STORAGES = {
    "default": {"BACKEND": "django.core.files.storage.FileSystemStorage"},
    "staticfiles": {
        "BACKEND": "django.contrib.staticfiles.storage.StaticFilesStorage"
        if DEBUG
        else "whitenoise.storage.CompressedManifestStaticFilesStorage"
    },
}
WHITENOISE_USE_FINDERS = WHITENOISE_AUTOREFRESH = DEBUG
LANGUAGE_CODE = "en-us"
USE_I18N = True
USE_TZ = True
TIME_ZONE = env.str("TIME_ZONE", default="UTC")

# --- Errors and logs ---------------------------------------------------------------------------

DEFAULT_EXCEPTION_REPORTER_FILTER = "gatewayproject.reporting.NothingSecretFilter"
LOGGING = {
    "version": 1,
    "disable_existing_loggers": False,
    "formatters": {"line": {"format": "%(asctime)s %(levelname)s %(name)s: %(message)s"}},
    "handlers": {"console": {"class": "logging.StreamHandler", "formatter": "line"}},
    "root": {"handlers": ["console"], "level": env.str("LOG_LEVEL", default="INFO")},
    "loggers": {
        "django": {"handlers": [], "level": "INFO", "propagate": True},
        "django.server": {"handlers": [], "propagate": True},
        # SQL with its parameters would hold names and sealed tokens.
        "django.db.backends": {"level": "INFO"},
        "axes": {"level": "WARNING"},
    },
}
