"""Makes the database and the media of a Django site: `fill.py [misfits]`."""

import io
import os
import sys
from datetime import datetime, timedelta, timezone

import django

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "settings")
django.setup()

from django.contrib.auth.hashers import make_password  # noqa: E402 (needs the setup above)
from django.core.files.base import ContentFile  # noqa: E402
from django.core.management import call_command  # noqa: E402
from meowsenger_backend.models import Chat, Message, User  # noqa: E402
from PIL import Image  # noqa: E402

PASSWORD = "nine-lives-2026"
START = datetime(2024, 3, 1, 12, 0, 0, 123456, tzinfo=timezone.utc)


def at(minutes):
    return START + timedelta(minutes=minutes)


def user(name, algorithm="argon2", **fields):
    password = make_password(PASSWORD, hasher=algorithm) if algorithm else make_password(None)
    return User.objects.create(username=name, password=password, date_joined=START, **fields)


def chat(*members, **fields):
    made = Chat.objects.create(created_at=START, **fields)
    for member in members:
        made.members.add(member)
    return made


def say(in_chat, sender, minutes, content, is_read=True):
    return Message.objects.create(
        chat=in_chat, sender=sender, content=content, timestamp=at(minutes), is_read=is_read
    )


def picture():
    data = io.BytesIO()
    Image.new("RGB", (600, 300), (200, 100, 50)).save(data, "PNG")
    return ContentFile(data.getvalue(), "carol.png")


def site():
    tom = user("tom", "pbkdf2_sha256", status="online", last_seen=at(9), email="tom@example.com")
    bob = user("bob", "argon2", status="At the vet", first_name="Bob", last_name="Müller")
    carol = user("carol", "bcrypt_sha256", status="busy", avatar=picture(), last_login=at(5))
    user("dave", None, status="offline")
    user("eve", is_active=False)
    user("root", is_staff=True, is_superuser=True, status="invisible")

    private = chat(tom, bob)
    say(private, tom, 1, "Hello")
    say(private, bob, 2, "Hi")
    say(private, tom, 3, "Are you there?", is_read=False)
    say(private, tom, 4, "Bob? 🐈", is_read=False)

    group = chat(bob, tom, carol, name="Kitchen", is_group=True)
    say(group, carol, 30, "third")
    say(group, bob, 10, "first")
    say(group, tom, 20, "  second\n")
    # A former member.
    say(group, User.objects.get(username="dave"), 40, "bye")
    chat(tom, carol)
    return tom, bob, carol, private, group


def misfits(tom, bob, carol, private, group):
    user("Bob", email="TOM@example.com")
    user("has space", email="not an address")
    user("old", "scrypt", status="x" * 141, avatar="avatars/missing.png")
    chat(tom, bob, carol)
    chat(bob, tom)
    chat(name="Nobody", is_group=True)
    chat(tom, bob, carol, is_group=True)
    say(private, carol, 50, "I am no member")
    say(group, tom, 60, "x" * 10_001)
    say(group, tom, 70, " \n")


call_command("migrate", run_syncdb=True, verbosity=0)
rows = site()
if sys.argv[1:] == ["misfits"]:
    misfits(*rows)
