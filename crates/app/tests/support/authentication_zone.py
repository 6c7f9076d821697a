"""A root zone in which every domain of a corpus has SPF, DKIM and DMARC records: invented, but the same each time.

    authentication_zone.py FOLDER... > root.zone

For each domain that mails name (HELO, envelope, From, DKIM), a record is chosen by the hash of its name: one that passes for the
addresses that the mails came from, fails, softens, includes, redirects, is broken, doubled or missing. Keys are random, so
that signatures of strangers fail rather than lack a key. With `--keys FILE` (expected by authentication.py: testdns) real keys are added.
"""
import base64, collections, email, email.policy, hashlib, os, re, sys
from email.utils import parseaddr

NAME = re.compile(r"^(?=.{1,200}$)([a-z0-9_]([a-z0-9_-]{0,61}[a-z0-9])?\.)+[a-z][a-z0-9-]{0,61}[a-z0-9]$")


def pick(text, count):
    return int(hashlib.sha256(text.encode()).hexdigest(), 16) % count


def domains(folders):
    seen, keys = collections.defaultdict(set), set()
    for folder in folders:
        for place, _, files in os.walk(folder):
            for file in files:
                with open(os.path.join(place, file), "rb") as raw:
                    head = raw.read(60000).replace(b"\r\n", b"\n").partition(b"\n\n")[0].decode("latin-1")
                head = re.sub(r"\n[ \t]+", " ", head)
                ips = set(re.findall(r"(?<![\d.])(?:\d{1,3}\.){3}\d{1,3}(?![\d.])", head))
                ips = {ip for ip in ips if all(int(part) < 256 and str(int(part)) == part for part in ip.split("."))}
                names = set(re.findall(r"@([A-Za-z0-9._-]+)", head))
                names |= set(re.findall(r"(?i)\bfrom ([A-Za-z0-9._-]+)", head)) | set(re.findall(r"(?i)helo[= ]([A-Za-z0-9._-]+)", head))
                for signature in re.findall(r"(?im)^(?:dkim-signature|arc-message-signature|arc-seal):(.*)$", head):
                    d, s = re.search(r"\bd=\s*([^;\s]+)", signature), re.search(r"\bs=\s*([^;\s]+)", signature)
                    if d and s:
                        keys.add((s.group(1).lower() + "._domainkey." + d.group(1).lower()))
                        names.add(d.group(1))
                for name in names:
                    name = name.strip(".").lower()
                    if NAME.match(name):
                        seen[name] |= ips
    return seen, keys


def main(folders, key_files):
    seen, keys = domains(folders)
    zone = collections.defaultdict(list)
    def text(name, value):
        pieces = " ".join('"' + value[at:at + 250].replace('"', '\\"') + '"' for at in range(0, len(value), 250))
        zone[name].append(f"TXT {pieces}")
    for name, ips in sorted(seen.items()):
        some = " ".join(f"ip4:{ip}" for ip in sorted(ips)[:8])
        first = sorted(ips)[0] if ips else "192.0.2.1"
        kind = pick(name, 16)
        zone[name].append("MX 10 mx." + name + ".")
        zone["mx." + name].append("A " + first)
        zone[name].append("A " + first)
        if kind in (0, 1, 2):
            text(name, f"v=spf1 {some} -all")
        elif kind == 3:
            text(name, "v=spf1 -all")
        elif kind == 4:
            text(name, "v=spf1 ip4:203.0.113.0/24 ~all")
        elif kind == 5:
            text(name, "v=spf1 ?all")
        elif kind == 6:
            text(name, f"v=spf1 include:_spf.{name} -all")
            text("_spf." + name, f"v=spf1 {some} ?all")
        elif kind == 7:
            text(name, f"v=spf1 redirect=_spf.{name}")
            text("_spf." + name, "v=spf1 mx a ~all")
        elif kind == 8:
            text(name, "v=spf1 a mx:" + name + "/28 -all exp=why." + name)
            text("why." + name, "%{i} may not send for %{d}")
        elif kind == 9:
            text(name, f"v=spf1 exists:%{{i}}.x.{name} -all")
            for ip in sorted(ips)[:4]:
                zone[f"{ip}.x.{name}"].append("A 127.0.0.2")
        elif kind == 10:
            text(name, "v=spf1 ip4:300.1.1.1 -all")
        elif kind == 11:
            text(name, f"v=spf1 {some} -all")
            text(name, "v=spf1 -all")
        elif kind == 12:
            text(name, f"v=spf1 a:n1.{name} a:n2.{name} a:n3.{name} {some} -all")
        elif kind == 13:
            text(name, f"v=spf1 include:none.{name} {some} -all")
        elif kind == 14:
            text(name, "some other text")
        policy = pick("dmarc " + name, 8)
        if policy < 6:
            text("_dmarc." + name, "v=DMARC1; p=" + ["none", "quarantine", "reject", "reject; adkim=s; aspf=s", "none; sp=reject", "quarantine; sp=none"][policy])
    real = {line.split(" ")[0] for file in key_files for line in open(file)}
    for name in sorted(keys - real):
        if NAME.match(name) and pick(name, 4):
            der = hashlib.shake_256(name.encode()).digest(128)
            spki = bytes.fromhex("30819f300d06092a864886f70d010101050003818d0030818902818100") + bytes([der[0] | 0x80]) + der[1:127] + bytes([der[127] | 1]) + bytes.fromhex("0203010001")
            text(name, ("v=DKIM1; " + ("t=y; " if pick(name, 8) == 1 else "") + "p=") + base64.b64encode(spki).decode())
    for file in key_files:
        for line in open(file):
            name, _, value = line.strip().partition(" ")
            text(name, value)
    print("$TTL 300\n. SOA ns.invalid. root.invalid. 1 3600 600 86400 300\n. NS ns.invalid.\nns.invalid. A 127.0.0.1")
    for name in sorted(zone):
        for record in sorted(set(zone[name])):
            print(f"{name}. {record}")


if __name__ == "__main__":
    arguments = sys.argv[1:]
    key_files = []
    while "--keys" in arguments:
        at = arguments.index("--keys")
        key_files.append(arguments[at + 1])
        del arguments[at:at + 2]
    main(arguments, key_files)
