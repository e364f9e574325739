"""Settings of the Django site that the tests import. `SITE_DATABASE` is a file, or the URL of a PostgreSQL server."""

import os
from urllib.parse import parse_qs, urlsplit


def database(name):
    if "://" not in name:
        return {"ENGINE": "django.db.backends.sqlite3", "NAME": name}
    url = urlsplit(name)
    return {
        "ENGINE": "django.db.backends.postgresql",
        "NAME": url.path.lstrip("/"),
        "USER": url.username or "",
        "PASSWORD": url.password or "",
        "HOST": url.hostname,
        "PORT": url.port or 5432,
        "OPTIONS": {name: values[0] for name, values in parse_qs(url.query).items()},
    }


SECRET_KEY = "only for tests"
DATABASES = {"default": database(os.environ["SITE_DATABASE"])}
MEDIA_ROOT = os.environ["SITE_MEDIA"]
AUTH_USER_MODEL = "meowsenger_backend.User"
INSTALLED_APPS = ["django.contrib.contenttypes", "django.contrib.auth", "meowsenger_backend"]
# Creates all tables at once.
MIGRATION_MODULES = {"auth": None, "contenttypes": None}
DEFAULT_AUTO_FIELD = "django.db.models.BigAutoField"
USE_TZ = True
PASSWORD_HASHERS = [
    "django.contrib.auth.hashers." + name
    for name in [
        "PBKDF2PasswordHasher",
        "Argon2PasswordHasher",
        "BCryptSHA256PasswordHasher",
        "ScryptPasswordHasher",
    ]
]
