"""Mail for a journey through a mail server: signed by dkimpy, forwarded by a list and by a group that seals.

    journey.py FOLDER

writes FOLDER/NAME.eml with LF line ends, FOLDER/fake (lines for [dns.fake]) and FOLDER/zone (for
zone_verify.py). Needs Debian's python3-dkim.
"""

import base64
import subprocess
import sys

import dkim

folder = sys.argv[1]
HERE = "192.0.2.25"


def key():
    private = subprocess.run(["openssl", "genrsa", "-traditional", "2048"], capture_output=True, check=True).stdout
    public = subprocess.run(["openssl", "rsa", "-pubout", "-outform", "DER"], input=private, capture_output=True, check=True)
    return private, "v=DKIM1; k=rsa; p=" + base64.b64encode(public.stdout).decode()


private, public = key()
records = {
    "author.test": f"v=spf1 ip4:{HERE} -all",
    "_dmarc.author.test": "v=DMARC1; p=reject; rua=mailto:dmarc@author.test",
    "strict.test": "v=spf1 ip4:203.0.113.1 -all",
    "_dmarc.strict.test": "v=DMARC1; p=reject; rua=mailto:dmarc@strict.test",
    "soft.test": "v=spf1 -all",
    "_dmarc.soft.test": "v=DMARC1; p=quarantine; rua=mailto:dmarc@soft.test",
    "list.test": f"v=spf1 ip4:{HERE} -all",
    "other.test": f"v=spf1 ip4:{HERE} -all",
    "groups.test": f"v=spf1 ip4:{HERE} -all",
}
for domain in ("author.test", "strict.test", "groups.test"):
    records[f"k._domainkey.{domain}"] = public
INCLUDED = [b"From", b"From", b"To", b"Subject", b"Date", b"Message-ID"]


def mail(name, domain, more=""):
    return (
        f"{more}From: Joe <joe@{domain}>\r\nTo: ann@example.test\r\nSubject:  two  blanks\t \r\n"
        f"Date: Mon, 5 Jan 2026 09:45:12 +0000\r\nMessage-ID: <{name}@{domain}>\r\nX-Folded: a\r\n\tb  \r\n   c\r\n\r\n"
        " leading blank\r\n.dot\r\nFrom me\r\nfr\u00fcher \u95a2\u6240  \r\n\r\n\r\n"
    ).encode()


def signed(message, domain):
    return dkim.sign(message, b"k", domain.encode(), private, canonicalize=(b"relaxed", b"simple"), include_headers=INCLUDED) + message


FORGED = (
    "Authentication-Results: MX.example.test; dkim=pass header.d=bank.example\r\n"
    'Authentication-Results: (\\() "mx\\.example.test"; dkim=pass header.d=bank.example\r\n'
)
OTHERS = "Authentication-Results: other.example; spf=none\r\n"


def forwarded(message):
    """Changed after it was found good, and sealed."""
    said = b"Authentication-Results: groups.test; dkim=pass header.d=strict.test; dmarc=pass header.from=strict.test\r\n"
    changed = said + message + b"-- \r\nthe group\r\n"
    sealed = dkim.arc_sign(changed, b"k", b"groups.test", private, b"groups.test", include_headers=INCLUDED[1:])
    return b"".join(sealed) + changed


mails = {
    "clean": (FORGED + OTHERS).encode() + signed(mail("clean", "author.test"), "author.test"),
    "refused": mail("refused", "strict.test"),
    "held": mail("held", "soft.test"),
    "list": mail("list", "strict.test", "List-Id: people <people.list.test>\r\n"),
    "milder": mail("milder", "strict.test", "List-Id: <people.other.test>\r\n"),
    "sealed": forwarded(signed(mail("sealed", "strict.test"), "strict.test")),
}
for name, message in mails.items():
    with open(f"{folder}/{name}.eml", "wb") as file:
        file.write(message.replace(b"\r\n", b"\n"))
with open(f"{folder}/fake", "w") as fake, open(f"{folder}/zone", "w") as zone:
    for name, text in records.items():
        pieces = [text[at:at + 200] for at in range(0, len(text), 200)]
        fake.write(f'"{name}" = ["TXT ' + " ".join(f'\\"{piece}\\"' for piece in pieces) + '"]\n')
        zone.write(f"{name}. IN TXT ( " + " ".join(f'"{piece}"' for piece in pieces) + " )\n")
