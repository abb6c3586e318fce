"""Settings from the environment. ``.env.example`` explains each one."""

from importlib.util import find_spec
from pathlib import Path

from csp.constants import NONE, SELF
from django.core.exceptions import ImproperlyConfigured

from . import keyring
from .environment import Environment
from .logs import is_access_log_wanted

BASE_DIR = Path(__file__).resolve().parent.parent

env = Environment()
if _env_file := env.str("ENV_FILE", default=""):
    env.read_file(Path(_env_file), "ENV_FILE")
elif (BASE_DIR / ".env").exists():
    env.read_file(BASE_DIR / ".env", ".env")

# DEBUG in the environment sets TRIAL. Django's own DEBUG stays off: errors would show code and
# settings to every client. gatewayproject.views checks the client's address first.
DEBUG, TRIAL = False, env.bool("DEBUG", default=False)
DATA_DIR = Path(env.str("GATEWAY_DATA_DIR", default=str(BASE_DIR / "var"))).resolve()
with keyring.exit_on_error():
    if DATA_DIR.exists() and not DATA_DIR.is_dir():
        raise FileExistsError(0, "", str(DATA_DIR))

# --- Secrets -----------------------------------------------------------------------------------


with keyring.exit_on_error():
    SECRET_KEY = env.str("SECRET_KEY", default="")
    FERNET_KEYS = env.list("FERNET_KEYS")
    ALLOWED_HOSTS = env.hosts("ALLOWED_HOSTS")
    METRICS_TOKEN = env.str("METRICS_TOKEN", default="")
    if TRIAL:
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
            "FERNET_KEYS": FERNET_KEYS,
            "ALLOWED_HOSTS": ALLOWED_HOSTS,
        }.items()
        if not value
    ]
    if _missing:
        raise ImproperlyConfigured(
            f"with DEBUG off, set {', '.join(_missing)}, or NAME_FILE for each. "
            "See .env.example. `make run` starts a trial on this machine."
        )
    if METRICS_TOKEN and len(METRICS_TOKEN) < 16:
        raise ImproperlyConfigured("METRICS_TOKEN: use 16 or more random characters.")
    FERNET_KEYS = keyring.parse_master_keys(FERNET_KEYS, secret_key=SECRET_KEY)
FERNET_USE_HKDF = False  # keys are used unchanged, so any Fernet tool can decrypt a token

# Origins on private networks that a key may be sent to, as http://10.0.0.5:8000 or http://localhost:*
ALLOWED_PRIVATE_ORIGINS = env.origins(
    "ALLOWED_PRIVATE_ORIGINS",
    default=["http://localhost:*", "http://127.0.0.1:*"] if TRIAL else [],
)

# How long replaced credentials are kept for rollback.
PREVIOUS_KEPT_DAYS = env.int("PREVIOUS_KEPT_DAYS", default=7)

# How long before its expiry a key is listed as expiring. A key can override this.
EXPIRY_NOTICE_DAYS = env.int("EXPIRY_NOTICE_DAYS", default=14)

# --- The gateway -------------------------------------------------------------------------------

GATEWAY_MAX_BODY_MB = env.int("GATEWAY_MAX_BODY_MB", default=32, least=1)
GATEWAY_MAX_UPLOAD_MB = env.int("GATEWAY_MAX_UPLOAD_MB", default=512, least=1)
GATEWAY_BUFFER_MB = env.int("GATEWAY_BUFFER_MB", default=256, least=1)
GATEWAY_TOKEN_BUFFER_MB = env.int("GATEWAY_TOKEN_BUFFER_MB", default=128, least=1)
GATEWAY_CONNECT_SECONDS = env.float("GATEWAY_CONNECT_SECONDS", default=10, least=0.1)
GATEWAY_FIRST_BYTE_SECONDS = env.float("GATEWAY_FIRST_BYTE_SECONDS", default=600, least=0.1)
GATEWAY_IDLE_SECONDS = env.float("GATEWAY_IDLE_SECONDS", default=600, least=0.1)
GATEWAY_SSE_KEEP_ALIVE_SECONDS = env.float("GATEWAY_SSE_KEEP_ALIVE_SECONDS", default=0)
GATEWAY_RETRY_TIMEOUTS = env.bool("GATEWAY_RETRY_TIMEOUTS", default=False)
GATEWAY_MAX_STALENESS = env.float("GATEWAY_MAX_STALENESS", default=0)
GATEWAY_ACCESS_LOG = env.bool("GATEWAY_ACCESS_LOG", default=False)
GATEWAY_OPENTELEMETRY = env.bool("GATEWAY_OPENTELEMETRY", default=False)
GATEWAY_SEND_TRACEPARENT = env.bool("GATEWAY_SEND_TRACEPARENT", default=False)
with keyring.exit_on_error():
    if GATEWAY_OPENTELEMETRY and not (
        find_spec("opentelemetry") and find_spec("opentelemetry.exporter")
    ):
        raise ImproperlyConfigured(
            "GATEWAY_OPENTELEMETRY: install requirements-cloud.lock, which has its libraries."
        )

# After SIGTERM: how long /readyz fails before the server stops listening.
DRAIN_SECONDS = env.float("DRAIN_SECONDS", default=0 if TRIAL else 3)

# How often a server process records its master keys; 0 for never, as in tests.
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
    "gatewayproject.console",
    "gatewayproject.accounts",
    "apikeys",
    "endpoints",
    "endpoints.usage",
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
    "gatewayproject.middleware.DatabaseUnavailableMiddleware",
    "gatewayproject.middleware.HashingBusyMiddleware",
    "django.contrib.messages.middleware.MessageMiddleware",
    "django.middleware.clickjacking.XFrameOptionsMiddleware",
    "django_htmx.middleware.HtmxMiddleware",
    "django.contrib.auth.middleware.LoginRequiredMiddleware",
    "axes.middleware.AxesMiddleware",
    "gatewayproject.middleware.htmx_redirects",  # innermost, or message cookies are lost
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
            "builtins": ["gatewayproject.console.templatetags.ui"],
        },
    }
]
FORM_RENDERER = "django.forms.renderers.TemplatesSetting"

# --- Database ----------------------------------------------------------------------------------

DATABASES = {"default": env.database("DATABASE_URL", f"sqlite:///{DATA_DIR / 'gatehouse.sqlite3'}")}
_database = DATABASES["default"]
if _database["ENGINE"].endswith("sqlite3"):
    with keyring.exit_on_error():
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
    # A host that is silent, as after a power failure, is given up within seconds; so is each of
    # several hosts before the next one is tried. DATABASE_URL can override all of this.
    _database["OPTIONS"] = {
        "connect_timeout": 3,
        "tcp_user_timeout": 8_000,  # milliseconds
        "keepalives_idle": 5,
        "keepalives_interval": 2,
        "keepalives_count": 2,
        **_database.get("OPTIONS", {}),
    }

# How long a page waits for a lock, and on PostgreSQL for a statement, before it returns 503.
PAGE_LOCK_SECONDS = env.float("PAGE_LOCK_SECONDS", default=3)
PAGE_STATEMENT_SECONDS = env.float("PAGE_STATEMENT_SECONDS", default=5)
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
    "gatewayproject.accounts.passwords.Argon2",
    "gatewayproject.accounts.passwords.PBKDF2",
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
AXES_FAILURE_LIMIT = env.int("LOGIN_FAILURE_LIMIT", default=5, least=1)
LOGIN_FAILURE_LIMIT_PER_ACCOUNT = env.int("LOGIN_FAILURE_LIMIT_PER_ACCOUNT", default=100, least=1)
AXES_HANDLER = "gatewayproject.accounts.sign_in.Handler"
AXES_COOLOFF_TIME = 0.25  # hours
AXES_RESET_COOL_OFF_ON_FAILURE_DURING_LOCKOUT = False  # or an attacker could extend the lock
AXES_LOCKOUT_PARAMETERS = [["username", "ip_address"]]
AXES_LOCKOUT_TEMPLATE = "registration/locked_out.html"
AXES_RESET_ON_SUCCESS = True
AXES_CLIENT_IP_CALLABLE = "gatewayproject.accounts.sign_in.counted_address"
AXES_ENABLE_ADMIN = False

# --- What browsers may do ----------------------------------------------------------------------

HTTPS = env.bool("HTTPS", default=not TRIAL)
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
SECURE_REDIRECT_EXEMPT = [r"^healthz$", r"^readyz$", r"^metrics$"]  # asked from inside, over http
SECURE_HSTS_SECONDS = env.int("HSTS_SECONDS", default=31_536_000) if HTTPS else 0
SECURE_HSTS_INCLUDE_SUBDOMAINS = SECURE_HSTS_PRELOAD = HTTPS
if env.bool("BEHIND_TLS_PROXY", default=False):
    SECURE_PROXY_SSL_HEADER = ("HTTP_X_FORWARDED_PROTO", "https")
CSRF_TRUSTED_ORIGINS = env.origins("CSRF_TRUSTED_ORIGINS", default=[])
SESSION_COOKIE_SECURE = CSRF_COOKIE_SECURE = HTTPS
SESSION_COOKIE_NAME = "__Host-session" if HTTPS else "gatehouse_session"
CSRF_COOKIE_NAME = "__Host-csrf" if HTTPS else "gatehouse_csrf"
SESSION_COOKIE_SAMESITE = CSRF_COOKIE_SAMESITE = "Lax"
SESSION_ENGINE = "gatewayproject.accounts.sessions"
SESSION_COOKIE_AGE = env.int("SESSION_SECONDS", default=12 * 3600, least=60)
CSRF_COOKIE_HTTPONLY = True
CSRF_FAILURE_VIEW = "gatewayproject.views.csrf_failure"

# Credentials are small. Larger forms are refused before they are read into memory.
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
        if TRIAL
        else "gatewayproject.static_files.StaticFilesStorage"
    },
}
WHITENOISE_USE_FINDERS = WHITENOISE_AUTOREFRESH = TRIAL
LANGUAGE_CODE = "en-us"
USE_I18N = True
USE_TZ = True
TIME_ZONE = env.time_zone("TIME_ZONE", default="UTC")

# --- Errors and logs ---------------------------------------------------------------------------

DEFAULT_EXCEPTION_REPORTER_FILTER = "gatewayproject.exception_filter.HideAllValuesFilter"
LOG_LEVEL = env.log_level("LOG_LEVEL", default="INFO")
LOGGING = {
    "version": 1,
    "disable_existing_loggers": False,
    "formatters": {
        "line": {
            "()": "gatewayproject.logs.OneLine",
            "format": "%(asctime)s %(levelname)s %(name)s: %(message)s",
        },
        "bare": {"format": "%(message)s"},
    },
    "filters": {"without_query": {"()": "gatewayproject.logs.WithoutQuery"}},
    "handlers": {
        "console": {"class": "logging.StreamHandler", "formatter": "line"},
        "access": {
            "class": "logging.StreamHandler",
            "formatter": "bare",
            "stream": "ext://sys.stdout",
        },
    },
    "root": {"handlers": ["console"], "level": LOG_LEVEL},
    "loggers": {
        "django": {"handlers": [], "level": "INFO", "propagate": True},
        "django.server": {"handlers": [], "propagate": True},
        # Only with GATEWAY_ACCESS_LOG, and whatever LOG_LEVEL is.
        "endpoints.gateway.access_log": {
            "handlers": ["access"],
            "level": "INFO",
            "propagate": False,
        },
        # SQL parameters contain names and encrypted tokens.
        "django.db.backends": {"level": "INFO"},
        "axes": {"level": "ERROR"},  # gatewayproject.accounts.sign_in logs name and address
        # uvicorn's own handlers would write tracebacks on several lines.
        "uvicorn": {"handlers": [], "level": LOG_LEVEL, "propagate": True},
        "uvicorn.access": {
            "handlers": [],
            "filters": ["without_query"],
            "propagate": is_access_log_wanted(),
        },
    },
}
