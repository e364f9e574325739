"""Makes password_validators.json: what the real Django says of passwords, for domain/password.rs.

    python3 -m venv /tmp/django && /tmp/django/bin/pip install Django==5.2.19
    /tmp/django/bin/python tests/data/password_validators.py

Python 3.11 (Unicode 14) or later; the cases use no newer characters.
"""

import json
import pathlib

import django
from django.conf import settings

VALIDATORS = ["UserAttributeSimilarity", "MinimumLength", "CommonPassword", "NumericPassword"]
settings.configure(
    INSTALLED_APPS=["django.contrib.auth", "django.contrib.contenttypes"],
    AUTH_PASSWORD_VALIDATORS=[
        {"NAME": f"django.contrib.auth.password_validation.{name}Validator"} for name in VALIDATORS
    ],
)
django.setup()

from django.contrib.auth.models import User  # noqa: E402 (needs the settings above)
from django.contrib.auth.password_validation import validate_password  # noqa: E402
from django.core.exceptions import ValidationError  # noqa: E402

# Password, then the attributes of the user that are not empty.
CASES = [
    # Length, in characters and not in bytes.
    ("", {}),
    ("k", {}),
    ("vK7#qLz", {}),
    ("vK7#qLzp", {}),
    ("жЩ7#юЯф", {}),
    ("жЩ7#юЯфы", {}),
    ("🐱🐶🦊🐻🐼🐨🐯", {}),
    ("🐱🐶🦊🐻🐼🐨🐯🦁", {}),
    ("e\u0301o\u0302u\u0308i", {}),
    ("correct horse battery staple", {}),
    ("x" * 1024, {}),
    # Common, in any case and with any space around it.
    ("password", {}),
    ("PassWord1", {}),
    ("  trustno1\t\n", {}),
    ("\u00a0\u2003iloveyou\u3000", {}),
    ("\x1c\x1fsunshine\x1d\x1e", {}),
    ("\u200bsunshine", {}),
    ("sun shine", {}),
    ("princess1", {}),
    ("Привет", {}),
    ("ПАРОЛЬ", {}),
    ("monkey", {}),
    ("   ", {}),
    # Numeric, in any script; a sign, a point or a space makes it text.
    ("12345678", {}),
    ("83920174650", {}),
    ("4920", {}),
    ("-83920174650", {}),
    ("8392 0174 650", {}),
    ("8392.0174", {}),
    ("٠١٢٣٤٥٦٧٨", {}),
    ("८३९२०१७४६५", {}),
    ("²³¹²³¹²³¹", {}),
    ("①②③④⑤⑥⑦⑧", {}),
    ("𝟗𝟖𝟕𝟔𝟓𝟒𝟑𝟐𝟏", {}),
    ("一二三四五六七八", {}),
    # Similar to the whole of an attribute: 0.7 and just below it.
    ("murzik-the-cat", {"username": "murzik-the-cat"}),
    ("tac-eht-kizrum", {"username": "Murzik-The-Cat"}),
    ("abcdefgXYZ", {"username": "abcdefg123"}),
    ("abcdefXYZW", {"username": "abcdef1234"}),
    ("abcdefgh", {"username": "abcdefghijklmno"}),
    ("aaaaaaaaaaaa", {"username": "aaaaaab"}),
    ("abcdefghijklm", {"username": "abcdefg"}),
    ("abcdefghijklmn", {"username": "abcdefg"}),
    ("testing12", {"first_name": "Testing"}),
    ("snowflake7", {"username": "SNOWFLAKE"}),
    ("q8#testing", {"last_name": "testing"}),
    ("murzik", {"username": "murzik"}),
    ("12345678", {"username": "12345678"}),
    # Similar to a part, between what is neither letter, digit nor underscore.
    ("snowflake7", {"email": "snowflake@meow.example"}),
    ("meowsenger", {"email": "me@meowsenger.example"}),
    ("me@meow.example", {"email": "me@meow.example"}),
    ("snowflake7", {"username": "the.snowflake+cats"}),
    ("snowflake7", {"username": "the_snowflake_of_cats"}),
    ("whiskers99", {"last_name": "O'Whiskers-Featherstonehaugh"}),
    ("whiskers99", {"first_name": "--  whiskers, and many others of that name"}),
    ("снежинка1", {"email": "снежинка@пример.example"}),
    ("СНЕЖИНКА", {"first_name": "Госпожа Снежинка Третья"}),
    ("भभभभभभभभ", {"first_name": "भभभभभभिककककककककककक"}),
    ("ที่นี่มีแมว", {"last_name": "ที่นี่มีแมวอยู่หลายตัวในบ้านหลังนี้"}),
    ("whiskers99", {"username": "manyotherthingsⓌwhiskers"}),
    ("whiskers99", {"username": "manyotherthings²whiskers"}),
    ("cafe\u0301creme", {"username": "cafe\u0301 creme"}),
    # Lower-casing that changes the length, or looks at the neighbours.
    ("İSTANBULİ", {"username": "istanbuli"}),
    ("ΟΔΥΣΣΕΥΣ", {"username": "οδυσσευς"}),
    ("ΣΣΣΣΣΣΣΣ", {"username": "ςςςςςςςς"}),
    ("STRASSE-STRASSE", {"username": "straße-straße"}),
    # The first attribute in Django's order is named, and only that one.
    (
        "snowflake",
        {
            "username": "snowflake",
            "first_name": "snowflake",
            "last_name": "snowflake",
            "email": "snowflake@meow.example",
        },
    ),
    ("snowflake", {"last_name": "Snowflake", "email": "snowflake@meow.example"}),
    ("snowflake", {"first_name": "Snowflake", "last_name": "Snowflake"}),
    # Lengths far apart, and an empty password.
    ("ab" * 512, {"username": "ab" * 75, "email": "a." * 100 + "b@meow.example"}),
    ("ab" * 100, {"username": "ab" * 75}),
    ("xyz-" * 60, {"email": "xyz-" * 60 + "@meow.example"}),
    ("", {"username": "snowflake", "email": "snow--flake@meow.example"}),
    ("", {"username": "snowflake", "email": "@snowflake"}),
    # Everything at once.
    ("123456", {"email": "123456@meow.example"}),
]


def faults(password, attributes):
    """The messages of all validators, in their order."""
    try:
        validate_password(password, User(**attributes))
    except ValidationError as error:
        return error.messages
    return []


NOBODY = {"username": "", "first_name": "", "last_name": "", "email": ""}
lines = [
    json.dumps(
        {"password": password, **NOBODY, **attributes, "faults": faults(password, attributes)},
        ensure_ascii=False,
    )
    for password, attributes in CASES
]
pathlib.Path(__file__).with_suffix(".json").write_text(
    "[\n" + ",\n".join(lines) + "\n]\n", encoding="utf-8"
)
