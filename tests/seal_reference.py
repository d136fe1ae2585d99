#!/usr/bin/python3
"""seal_reference.py SEALED KEY: opens a sealed transform with a user's unprotected key file.

A second reader, written from docs/formats.md alone. Prints "MAGIC of MODEL_ID" or "no key".
"""
import base64
import hashlib
import hmac
import sys

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PrivateKey, X25519PublicKey
from cryptography.hazmat.primitives.ciphers.aead import ChaCha20Poly1305
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDF
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

ZERO = bytes(12)


def unbase64(text):
    return base64.b64decode(text + "=" * (-len(text) % 4), validate=True)


def derive(key, salt, info):
    return HKDF(SHA256(), 32, salt, info.encode()).derive(key)


class Sealed:
    def __init__(self, path, version):
        with open(path, "rb") as file:
            self.data = file.read()
        self.version = version
        lines = self.data.split(b"\n")
        assert lines[0].decode() == version
        self.stanzas = []
        at, i = len(lines[0]) + 1, 1
        while not lines[i].startswith(b"---"):
            assert lines[i].startswith(b"-> ")
            words, body = lines[i][3:].decode().split(" "), ""
            at += len(lines[i]) + 1
            while True:
                i += 1
                at += len(lines[i]) + 1
                body += lines[i].decode()
                if len(lines[i]) < 64:
                    break
            self.stanzas.append((words, unbase64(body)))
            i += 1
        self.covered = self.data[:at + 3]
        self.mac = unbase64(lines[i][4:].decode())
        self.payload = self.data[at + len(lines[i]) + 1:]

    def open(self, file_key):
        key = derive(file_key, b"", self.version + "/header")
        assert hmac.compare_digest(hmac.new(key, self.covered, hashlib.sha256).digest(), self.mac)
        nonce, chunks = self.payload[:16], self.payload[16:]
        cipher = ChaCha20Poly1305(derive(file_key, nonce, self.version + "/payload"))
        plain, number = b"", 0
        while True:
            chunk, chunks = chunks[:65536 + 16], chunks[65536 + 16:]
            name = number.to_bytes(11, "big") + (b"\0" if chunks else b"\1")
            plain += cipher.decrypt(name, chunk, None)
            number += 1
            if not chunks:
                return plain


def main():
    key_file = Sealed(sys.argv[2], "ward-key/v1")
    (file_key,) = [body for words, body in key_file.stanzas if words == ["file"]]
    secret = X25519PrivateKey.from_private_bytes(key_file.open(file_key)[:32])
    public = secret.public_key().public_bytes(Encoding.Raw, PublicFormat.Raw)
    assert unbase64(key_file.stanzas[0][0][1]) == public
    sealed = Sealed(sys.argv[1], "ward-seal/v1")
    (kind, model_id) = sealed.stanzas[0][0][1:]
    assert kind == "transform"
    for words, body in sealed.stanzas:
        if words[0] != "X25519":
            continue
        share = unbase64(words[1])
        shared = secret.exchange(X25519PublicKey.from_public_bytes(share))
        wrap = derive(shared, share + public, "ward-seal/v1/X25519")
        try:
            plain = sealed.open(ChaCha20Poly1305(wrap).decrypt(ZERO, body, None))
        except InvalidTag:
            continue
        print(plain[:5].decode(), "of", model_id)
        return
    print("no key")


main()
