"""Verifies signatures and ARC chains with dkimpy; keys come from a zone file, so that nobody is asked.

zone_verify.py ZONE < message: a line for each signature, "DOMAIN SELECTOR ALGORITHM good|bad", then "arc RESULT"
"""

import re
import sys

import dkim

zone = {}
text = open(sys.argv[1]).read()
for name, data in re.findall(r'^(\S+)\s+IN\s+TXT\s+((?:\(\s*)?(?:"[^"]*"\s*)+)', text, re.M):
    strings = re.findall(r'"([^"]*)"', data)
    assert all(len(string) <= 255 for string in strings)
    zone[name] = "".join(strings).encode()


def record(name, timeout=5):
    name = name.decode() if isinstance(name, bytes) else name
    return zone.get(name if name.endswith(".") else name + ".")


message = sys.stdin.buffer.read()
checker = dkim.DKIM(message)
signatures = [value for name, value in checker.headers if name.lower() == b"dkim-signature"]
for index, value in enumerate(signatures):
    tags = dict(pair.strip().split(b"=", 1) for pair in value.split(b";") if b"=" in pair)
    try:
        good = checker.verify(index, dnsfunc=record)
    except dkim.ValidationError as error:
        print(error, file=sys.stderr)
        good = False
    words = [tags.get(tag, b"?").strip().decode() for tag in (b"d", b"s", b"a")]
    print(*words, "good" if good else "bad")
cv, _, reason = dkim.arc_verify(message, dnsfunc=record)
if reason:
    print(reason, file=sys.stderr)
print("arc", cv.decode())
