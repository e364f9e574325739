"""Rebuilds src/domain/common_passwords.bin, the list of passwords that are too common.

    python3 -m venv /tmp/django && /tmp/django/bin/pip install Django==5.2.19
    /tmp/django/bin/python scripts/common_passwords.py

The words are those of Django's CommonPasswordValidator (from its package on PyPI): 19,640 in lower
case, which Royce Williams collected. We keep the first 5 bytes of the SHA-256 of each word's UTF-8,
sorted and without separators: 98,200 bytes, and no list of passwords in the program. About one in
56 million passwords that are not in the list is rejected by mistake.
"""

import hashlib
import pathlib

from django.contrib.auth.password_validation import CommonPasswordValidator

PREFIX_BYTES = 5
TARGET = pathlib.Path(__file__).parent.parent / "src/domain/common_passwords.bin"

words = CommonPasswordValidator().passwords
prefixes = {hashlib.sha256(word.encode()).digest()[:PREFIX_BYTES] for word in words}
assert len(prefixes) == len(words), "two words share a prefix: keep more bytes of each"
TARGET.write_bytes(b"".join(sorted(prefixes)))
print(f"{TARGET.name}: {len(words)} words, {TARGET.stat().st_size} bytes")
