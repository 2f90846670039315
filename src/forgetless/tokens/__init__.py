"""Chat templates and token ids.

Conversations and texts go in; token ids, loss masks and stop tokens come out. Everything that depends on a model's
chat template is here, so no other room knows how a turn is written.
"""

from __future__ import annotations

from .chat_format import ChatFormat, Prompt
from .encoded import Encoded, TokenReject
from .rows import Account, account_of, encode_rows

__all__ = ["Account", "ChatFormat", "Encoded", "Prompt", "TokenReject", "account_of", "encode_rows"]
