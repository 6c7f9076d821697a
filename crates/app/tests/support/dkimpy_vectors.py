"""The vectors of dkimpy's own test-suite: every message that it verifies, with the DNS it pretends and what came out.

    dkimpy_vectors.py FOLDER

runs the suite that Debian's python3-dkim ships and writes FOLDER/NUMBER.eml, FOLDER/NUMBER.toml ([dns.fake]) and
FOLDER/expected.json: {NUMBER: {"what": "dkim" or "arc", "index": of the signature, "result": bool or the chain's}}.
"""

import functools
import hashlib
import json
import os
import sys
import unittest

import dkim

folder = sys.argv[1]
seen, expected = set(), {}


def recorded(what, verify, self, idx, dnsfunc, result_of):
    answers = {}

    def ask(name, timeout=5):
        answer = dnsfunc(name, timeout=timeout)
        key = name.decode("ascii", "replace") if isinstance(name, bytes) else name
        text = answer.decode("latin-1") if isinstance(answer, bytes) else answer
        answers[key.rstrip(".")] = text
        return answer

    message = b"".join(name + b":" + value for name, value in self.headers) + b"\r\n" + self.body
    try:
        result = verify(ask)
        said = result_of(result)
    except dkim.DKIMException as error:
        result, said = error, (False if what == "dkim" else "fail")
    digest = hashlib.sha256(message + repr((what, idx, sorted(answers.items()))).encode()).digest()
    if digest not in seen and all(text is not None for text in answers.values()):
        seen.add(digest)
        number = f"{len(seen):04}"
        with open(f"{folder}/{number}.eml", "wb") as file:
            file.write(message)
        with open(f"{folder}/{number}.toml", "w") as file:
            file.write('[dns]\nask = "fake"\n[dns.fake]\n')
            for name, text in answers.items():
                pieces = " ".join('"' + text[at:at + 200].replace("\\", "\\\\").replace('"', '\\"') + '"' for at in range(0, len(text), 200))
                file.write(f"{json.dumps(name)} = [{json.dumps('TXT ' + pieces)}]\n")
        expected[number] = {"what": what, "index": idx, "result": said}
    if isinstance(result, Exception):
        raise result
    return result


of_dkim, of_arc = dkim.DKIM.verify, dkim.ARC.verify


@functools.wraps(of_dkim)
def verify(self, idx=0, dnsfunc=dkim.get_txt):
    return recorded("dkim", lambda ask: of_dkim(self, idx=idx, dnsfunc=ask), self, idx, dnsfunc, bool)


@functools.wraps(of_arc)
def arc_verify(self, dnsfunc=dkim.get_txt):
    chain = lambda result: result[0].decode() if isinstance(result[0], bytes) else str(result[0])
    return recorded("arc", lambda ask: of_arc(self, dnsfunc=ask), self, 0, dnsfunc, chain)


dkim.DKIM.verify, dkim.ARC.verify = verify, arc_verify
names = ["test_arc", "test_dkim", "test_dkim_ed25519", "test_dkim_rsavariants"]
suite = unittest.TestLoader().loadTestsFromNames([f"dkim.tests.{name}" for name in names])
unittest.TextTestRunner(stream=open(os.devnull, "w")).run(suite)
with open(f"{folder}/expected.json", "w") as file:
    json.dump(expected, file)
