"""Makes django_hashes.json: passwords as the real Django stores them, which a login must accept.

    python3 -m venv /tmp/django
    /tmp/django/bin/pip install Django==5.2.19 argon2-cffi==25.1.0 bcrypt==5.0.0
    /tmp/django/bin/python tests/data/django_hashes.py

The salts are fixed, so that every run makes the same file. An encoded password that begins with "!"
is unusable: nothing logs in with it.
"""

import json
import pathlib

import django
from django.conf import settings

settings.configure()
django.setup()

from django.contrib.auth import hashers  # noqa: E402 (needs the settings above)

SALT = "mEowSaltMeowSaltMeow22"
BCRYPT_SALT = b"$2b$12$mEowSaltMeowSaltMeow2u"
PLAIN = "correct horse battery staple"
UNICODE = "пароль-кота 🐱"
LONGER_THAN_BCRYPT_READS = "meow " * 20  # 100 bytes; bcrypt alone stops at 72.
pbkdf2 = hashers.PBKDF2PasswordHasher()

VECTORS = [
    (PLAIN, pbkdf2.encode(PLAIN, SALT)),
    (PLAIN, pbkdf2.encode(PLAIN, SALT, iterations=1000)),
    (UNICODE, pbkdf2.encode(UNICODE, SALT, iterations=1000)),
    (PLAIN, hashers.make_password(PLAIN, SALT, "argon2")),
    (UNICODE, hashers.make_password(UNICODE, SALT, "argon2")),
    (PLAIN, hashers.make_password(PLAIN, BCRYPT_SALT, "bcrypt_sha256")),
    (
        LONGER_THAN_BCRYPT_READS,
        hashers.make_password(LONGER_THAN_BCRYPT_READS, BCRYPT_SALT, "bcrypt_sha256"),
    ),
    (PLAIN, hashers.PBKDF2SHA1PasswordHasher().encode(PLAIN, SALT, iterations=1000)),
    (PLAIN, hashers.make_password(PLAIN, SALT, "scrypt")),
]
for password, encoded in VECTORS:
    assert hashers.check_password(password, encoded), encoded
    assert not hashers.check_password(password + " ", encoded), encoded

suffix = "Meow" * (hashers.UNUSABLE_PASSWORD_SUFFIX_LENGTH // len("Meow"))
unusable = hashers.UNUSABLE_PASSWORD_PREFIX + suffix
assert not hashers.is_password_usable(unusable) and not hashers.check_password(PLAIN, unusable)
VECTORS.append((PLAIN, unusable))

lines = [
    json.dumps({"password": password, "encoded": encoded}, ensure_ascii=False)
    for password, encoded in VECTORS
]
pathlib.Path(__file__).with_suffix(".json").write_text(
    "[\n" + ",\n".join(lines) + "\n]\n", encoding="utf-8"
)
