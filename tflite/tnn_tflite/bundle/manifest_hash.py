"""The hash by which a manifest vouches for itself.

Hashes in the manifest vouch for the files of a bundle; this one vouches for the numbers beside
them: a utilization, a scale or a file's name that a disk or a copy has changed is found, too.

The value of the manifest's key `manifest_sha256` is the SHA-256 of the manifest's own bytes with
64 zeros in the place of that value. So it is checked on the bytes as they stand, and no program
has to write JSON the same way as another one.
"""

import hashlib

KEY = "manifest_sha256"
BLANK = "0" * 64


def with_hash(text: str) -> str:
    """Returns the text of a manifest, whose hash is `BLANK` yet, with its hash.

    >>> with_hash('{"manifest_sha256": "' + BLANK + '"}')[:26]
    '{"manifest_sha256": "44c87'
    """
    return text.replace(BLANK, hashlib.sha256(text.encode()).hexdigest(), 1)


def vouches(content: bytes, claimed: str) -> bool:
    """Tells whether a manifest is the one that was hashed.

    Args:
        content: The manifest's bytes.
        claimed: The hash that stands in it.

    Example:

    >>> text = with_hash('{"manifest_sha256": "' + BLANK + '", "utilization": 0.5}')
    >>> claimed = text[21:85]
    >>> vouches(text.encode(), claimed), vouches(text.replace("0.5", "0.6").encode(), claimed)
    (True, False)
    """
    blank = content.replace(claimed.encode(), BLANK.encode(), 1)
    return hashlib.sha256(blank).hexdigest() == claimed
