"""Signs mails with dkimpy, breaks them in twenty ways, and says what dkimpy itself makes of each.

    authentication.py sign COUNT FOLDER      COUNT mails (RSA, Ed25519, ARC), each in 21 copies

writes FOLDER/mails/*.eml, FOLDER/fake.toml ([dns] with [dns.fake] for sekisho), FOLDER/testdns (for opendkim's TestDNSData),
FOLDER/expected.json: {file: {"dkim": bool, "arc": "none|pass|fail", "change": name}}. Needs Debian's python3-dkim and
python3-nacl. Everything is drawn from a fixed seed but the RSA keys.
"""
import base64, json, os, random, re, subprocess, sys
import dkim

random.seed(8617)


def rsa(bits):
    private = subprocess.run(["openssl", "genrsa", "-traditional", str(bits)], capture_output=True, check=True).stdout
    public = subprocess.run(["openssl", "rsa", "-pubout", "-outform", "DER"], input=private, capture_output=True, check=True)
    return private, "v=DKIM1; k=rsa; p=" + base64.b64encode(public.stdout).decode()


def ed25519():
    import nacl.signing
    key = nacl.signing.SigningKey.generate()
    private = base64.b64encode(bytes(key))
    return private, "v=DKIM1; k=ed25519; p=" + base64.b64encode(bytes(key.verify_key)).decode()


def mail(n, domain):
    subject = random.choice(["Minutes of the meeting", "Re: invoice 4711", "=?UTF-8?B?6KuL5rGC5pu4?=", "a  b   c"])
    body = "\r\n".join(
        " ".join(random.choice(["alpha", "beta", "gamma ", "delta.", "-- ", "\t", "=20", "日本"]) for _ in range(random.randint(0, 9)))
        for _ in range(random.randint(0, 12)))
    text = (
        f"Received: from client.{domain} (client.{domain} [192.0.2.{n % 250 + 1}])\r\n\tby mx.here.test with ESMTP id {n:06X};"
        f"\r\n\tMon, 2 Mar 2026 10:00:00 +0000\r\n"
        f"From: Somebody {n} <someone@{domain}>\r\nTo: you@here.test,\r\n  them@here.test\r\nSubject: {subject}\r\n"
        f"Date: Mon, 2 Mar 2026 09:59:{n % 60:02d} +0000\r\nMessage-ID: <{n}@{domain}>\r\nX-Note: unsigned\r\n"
        f"MIME-Version: 1.0\r\nContent-Type: text/plain; charset=UTF-8\r\nContent-Transfer-Encoding: 8bit\r\n\r\n{body}\r\n")
    return text.encode()


def parts(message):
    head, _, body = message.partition(b"\r\n\r\n")
    return re.split(rb"\r\n(?![ \t])", head), body


def join(fields, body):
    return b"\r\n".join(fields) + b"\r\n\r\n" + body


def on(name, change):
    """A change of the first field of that name."""
    def made(message):
        fields, body = parts(message)
        for at, field in enumerate(fields):
            if field.lower().startswith(name.lower() + b":"):
                fields[at:at + 1] = change(field)
                break
        return join(fields, body)
    return made


def on_body(change):
    return lambda message: join(*(lambda fields, body: (fields, change(body)))(*parts(message)))


def top(field):
    return lambda message: field + b"\r\n" + message


def signature(change):
    """Of every signature."""
    def made(message):
        fields, body = parts(message)
        return join([change(f) if re.match(rb"(?i)(dkim-signature|arc-message-signature):", f) else f for f in fields], body)
    return made


def flip(tag):
    def change(field):
        def one(found):
            value = found.group(2)
            at = len(value) // 2
            while value[at:at + 1] in b" \t\r\n=":
                at -= 1
            return found.group(1) + value[:at] + (b"A" if value[at:at + 1] != b"A" else b"B") + value[at + 1:]
        return re.sub(rb"([;\s]" + tag + rb"=)([^;]+)", one, field, count=1)
    return signature(change)


CHANGES = {
    "none": lambda message: message,
    "body-appended": on_body(lambda body: body + b"one line more\r\n"),
    "body-changed": on_body(lambda body: b"changed " + body),
    "blank-lines-at-end": on_body(lambda body: body + b"\r\n\r\n\r\n"),
    "blanks-at-line-ends": on_body(lambda body: body.replace(b"\r\n", b"  \r\n")),
    "blanks-in-lines": on_body(lambda body: body.replace(b" ", b"  ")),
    "body-emptied": on_body(lambda body: b""),
    "subject-changed": on(b"Subject", lambda field: [field + b" [list]"]),
    "subject-doubled": top(b"Subject: another"),
    "from-name-changed": on(b"From", lambda field: [field.replace(b"Somebody", b"Nobody")]),
    "from-address-changed": on(b"From", lambda field: [field.replace(b"<someone@", b"<other@")]),
    "unsigned-added": top(b"X-Added: by somebody"),
    "unsigned-removed": on(b"X-Note", lambda field: []),
    "date-removed": on(b"Date", lambda field: []),
    "to-unfolded": on(b"To", lambda field: [field.replace(b"\r\n  ", b" ")]),
    "name-case-changed": on(b"Message-ID", lambda field: [field.replace(b"Message-ID", b"Message-Id")]),
    "colon-blank": on(b"Date", lambda field: [field.replace(b"Date: ", b"Date :  ")]),
    "b-changed": flip(b"b"),
    "bh-changed": flip(b"bh"),
    "other-domain": signature(lambda field: re.sub(rb"([;\s]d=)[^;\s]+", rb"\1other.test", field)),
    "no-such-key": signature(lambda field: re.sub(rb"([;\s]s=)[^;\s]+", rb"\1nokey", field)),
}


def main(count, folder):
    os.makedirs(f"{folder}/mails", exist_ok=True)
    keys = {"r2048": rsa(2048), "r1024": rsa(1024), "ed": ed25519()}
    zone = {"other.test": {"_dmarc.other.test": "v=DMARC1; p=none"}}
    records = {}
    for selector, (_, public) in keys.items():
        for n in range(8):
            records[f"{selector}._domainkey.d{n}.test"] = public
            records[f"{selector}._domainkey.seal{n}.test"] = public
        records[f"{selector}._domainkey.other.test"] = keys["r1024"][1] if selector == "r2048" else keys["r2048"][1]
    for n in range(8):
        records[f"_dmarc.d{n}.test"] = "v=DMARC1; p=" + ["none", "quarantine", "reject"][n % 3] + ("; adkim=s" if n % 2 else "")
        records[f"d{n}.test"] = "v=spf1 ip4:192.0.2.0/25 " + ["-all", "~all", "?all"][n % 3]
    canonical = [(a, b) for a in (b"relaxed", b"simple") for b in (b"relaxed", b"simple")]
    def dns(name, timeout=5):
        name = (name.decode() if isinstance(name, bytes) else name).rstrip(".").lower()
        return records[name].encode() if name in records else None
    expected = {}
    for n in range(count):
        domain, signer = f"d{n % 8}.test", None
        message = mail(n, domain)
        kind = n % 5
        selector = ["r2048", "r1024", "ed", "r2048", "r1024"][kind]
        private = keys[selector][0]
        include = [b"From", b"To", b"Subject", b"Date", b"Message-ID"] + ([b"From", b"Subject"] if n % 3 == 0 else [])
        algorithm = b"ed25519-sha256" if selector == "ed" else b"rsa-sha256"
        signature = dkim.sign(message, selector.encode(), domain.encode(), private, canonicalize=canonical[n % 4],
                              include_headers=include, signature_algorithm=algorithm)
        message = signature + message
        hops = {3: 1, 4: 1 + n % 3}.get(kind, 0)
        for hop in range(hops):
            message = (f"Authentication-Results: seal{hop}.test; spf=pass smtp.mailfrom=someone@{domain};"
                       f" dkim=pass header.d={domain}; arc={'pass' if hop else 'none'}; dmarc=pass header.from={domain}\r\n").encode() + message
            sealed = dkim.arc_sign(message, b"r2048", f"seal{hop}.test".encode(), keys["r2048"][0], f"seal{hop}.test".encode(),
                                   include_headers=[b"From", b"To", b"Subject", b"Date", b"Message-ID"])
            message = b"".join(sealed) + message
        for change, made in CHANGES.items():
            name, changed = f"{n:04}-{selector}-arc{hops}-{change}.eml", made(message)
            try:
                good = dkim.verify(changed, dnsfunc=dns)
            except Exception:
                good = False
            try:
                chain = dkim.arc_verify(changed, dnsfunc=dns)[0].decode()
            except Exception:
                chain = "fail"
            expected[name] = {"dkim": good, "arc": chain, "change": change, "selector": selector}
            with open(f"{folder}/mails/{name}", "wb") as file:
                file.write(changed if n % 2 else changed.replace(b"\r\n", b"\n"))
    with open(f"{folder}/expected.json", "w") as file:
        json.dump(expected, file)
    with open(f"{folder}/fake.toml", "w") as file:
        file.write('[dns]\nask = "fake"\nquestions = 500\n[dns.fake]\n')
        for name, text in records.items():
            pieces = " ".join('\\"' + text[at:at + 200] + '\\"' for at in range(0, len(text), 200))
            file.write(f'"{name}" = ["TXT {pieces}"]\n')
    with open(f"{folder}/testdns", "w") as file:
        for name, text in records.items():
            if "_domainkey" in name:
                file.write(f"{name} {text}\n")


if sys.argv[1:2] == ["sign"]:
    main(int(sys.argv[2]), sys.argv[3])
