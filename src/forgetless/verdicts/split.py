"""The split of a task's items into the part one may adapt on and the part one certifies on.

In goes the id of an item's group, out comes its part. A salted hash decides, so the split needs no file, is the same on
every machine, does not move when items are added, and never looks at what any model answers: picking items that
the base gets right would make regression to the mean look like a loss.
"""

from __future__ import annotations

from hashlib import blake2b

from forgetless.records import Part

DEV_ONE_IN = 3
"""One group in this many goes to the dev part."""


def part_of(group_id: str, *, salt: str) -> Part:
    """Rule 14. A third of the groups is `dev`, the rest `test`; whole groups, so that related items never straddle.

    Args:
        group_id: The item's group, or its own id where it stands alone; duplicates must have been removed.
        salt: Names the split, so that two tasks sharing ids are split independently.
    """
    # The salt's length keeps ("ab", "c") and ("a", "bc") apart.
    text = f"{len(salt)}:{salt}{group_id}".encode()
    bucket = int.from_bytes(blake2b(text, digest_size=8).digest(), "big") % DEV_ONE_IN
    return "dev" if bucket == 0 else "test"
