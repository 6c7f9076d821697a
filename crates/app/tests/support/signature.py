"""Signs and verifies with dkimpy. The key's DNS record is made of the private key, so that nobody is asked.

signature.py sign KEY CANONICALIZATION < message > signed message
signature.py verify KEY < message: prints how many signatures there are, and "good" or "bad"
"""

import base64
import subprocess
import sys

import dkim

what, path = sys.argv[1:3]
message = sys.stdin.buffer.read()
key = open(path, "rb").read()
if what == "sign":
    canonicalization = tuple(word.encode() for word in sys.argv[3].split("/"))
    # Each field once more than it is there: whoever adds another of its kind is found out.
    fields = [b"From", b"From", b"To", b"Subject", b"Subject", b"Date", b"Message-ID", b"X-Folded", b"X-Blank", b"X-Tight", b"X-Twice", b"X-Twice"]
    signature = dkim.sign(message, b"test", b"example.net", key, canonicalize=canonicalization, include_headers=fields)
    sys.stdout.buffer.write(signature.replace(b"\r\n", b"\n") + message)
else:
    public = subprocess.run(["openssl", "rsa", "-in", path, "-pubout", "-outform", "DER"], capture_output=True, check=True)
    record = b"v=DKIM1; k=rsa; p=" + base64.b64encode(public.stdout)
    checker = dkim.DKIM(message)
    count = sum(name.lower() == b"dkim-signature" for name, _ in checker.headers)
    good = []
    for index in range(count):
        try:
            good.append(checker.verify(index, dnsfunc=lambda name, timeout=5: record))
        except dkim.ValidationError as error:
            print(error, file=sys.stderr)
            good.append(False)
    print(count, "good" if good and all(good) else "bad")
