"""Bytes in, text out: in the encoding that the recipe states, or in the one that the bytes show beyond doubt.

UTF-8 is told by its own rules, UTF-16 by its byte order mark, GB18030 by the Chinese that it gives. Every other
encoding would read wrong characters as gladly as right ones, so it is never guessed: the error names the line and the
byte that are not UTF-8, and the encodings that could be meant.
"""

from __future__ import annotations

import codecs
import io
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TextIO

from forgetless.errors import DataError
from forgetless.sources.compression import open_bytes

_CHUNK_BYTES = 1 << 20
# The mark of UTF-32 begins with that of UTF-16.
_MARKS = (
    (codecs.BOM_UTF8, "utf-8"),
    (codecs.BOM_UTF32_LE, "utf-32"),
    (codecs.BOM_UTF32_BE, "utf-32"),
    (codecs.BOM_UTF16_LE, "utf-16"),
    (codecs.BOM_UTF16_BE, "utf-16"),
)
_ARCHIVE = b"PK\x03\x04"
SAVE_AS_CSV = "open it in the spreadsheet program and save the sheet as CSV (UTF-8)"
_LARGEST_NUL_SHARE = 0.1
_CANDIDATES = ("gb18030", "big5", "shift_jis", "euc_jp", "euc_kr", "cp1252", "cp1251")

_FEWEST_LETTERS = 20
_SMALLEST_COMMON_SHARE = 0.4
# The 500 most frequent ideographs of general Chinese text: 75 % of its characters beyond ASCII (68 % in exam papers).
# Samples in Korean, Japanese, Thai and Big5, read as GB18030, gave at most 17 % of them by accident.
_COMMON_IDEOGRAPHS = frozenset(
    "一三上下不与专且世业两个中为主举么义之乐也习书了争事于互五些交产享人什从他代以们件价任份企优会传但位"
    "低体何作你使例供保信候值做健像元充光入全公共关其具内再写决准减出分划列则创利别到制前力功加务动助包化"
    "区医单原去参及友反发取受变口句只可台司各合同名后向含吸告员味命和品响哪商善喜器四回因国图在地场型城基"
    "境增处备复外多够大天太头她好如始子字存学它安完定实客家容密对寻导将小少尔就尽展州工己已市布带帮常平年"
    "并序应店度康建开式引强当形影很得心必快态思性总息您情想意感成我或战户所手打找技投护拉择括持指换据排接"
    "推描提支收改放政故效教数整文料斯新方无日时明易星是显景智更最月有服望期未本术机权条来极构析林果查标样"
    "根格案概模次欢歌正此步段每比气水求没治法注活流测海消深清温游源满点热然爱物特状独率环现球理生用由电界"
    "疗的益目直相看着知短码研确示社神种科积程究空立站章第等策简算管篇类系素索约线组终经结给络统维编网美考"
    "者而联育能自至致色节获营行表被西要见观视觉角解言计认让议记许论设评识词试诗话该语说请调象质购费资走起"
    "越身车转软轻输达过运还这进远连述适选通速造道那部都配释里重量金销长问间阳险集需非面音项预题风食首验高"
)


def detect_encoding(path: Path) -> str:
    """The encoding of a text file, from all of its bytes: `utf-8`, `utf-16`, `utf-32` or `gb18030`.

    Raises:
        DataError: The bytes leave a doubt.
    """
    with open_bytes(path) as file:
        head = file.read(4)
    for mark, name in _MARKS:
        if head.startswith(mark):
            return name
    if head == _ARCHIVE:
        raise DataError(
            field=str(path),
            value=path,
            rule="is a ZIP archive and no text; so are Excel files, whatever they are called",
            way_out=f"{SAVE_AS_CSV}, or unpack it",
        )
    if _is_utf8(path):
        return "utf-8"
    if _is_chinese(path):
        return "gb18030"
    raise DataError(
        field=str(path),
        value=_place_of_error(path, "utf-8"),
        rule="the bytes are not UTF-8 text, and no other encoding is certain",
        way_out=_name_one(path),
    )


@contextmanager
def open_text(path: Path, encoding: str, *, newline: str | None = None) -> Iterator[TextIO]:
    """Open a text file, compressed or not; a UTF-8 byte order mark is skipped.

    Raises:
        DataError: The encoding is unknown, the file cannot be opened, or its bytes are not in that encoding. Raised
            while reading, too.
    """
    with open_bytes(path) as raw:
        try:
            file = io.TextIOWrapper(raw, encoding=_with_byte_order_mark(encoding), newline=newline)
        except LookupError:
            raise DataError(
                field="encoding",
                value=encoding,
                rule="is not a text encoding that Python knows",
                way_out="use `auto`, `utf-8`, `gb18030`, `cp1252`, `utf-16` or another of Python's encodings",
            ) from None
        try:
            yield file
        except UnicodeDecodeError:
            raise DataError(
                field=str(path),
                value=_place_of_error(path, encoding),
                rule=f"the bytes are not `{encoding}` text",
                way_out=_name_one(path),
            ) from None


def _with_byte_order_mark(encoding: str) -> str:
    return "utf-8-sig" if codecs.lookup(encoding).name == "utf-8" else encoding


def _chunks(path: Path, encoding: str) -> Iterator[str]:
    """The text of a file in pieces; raises `UnicodeDecodeError` where the bytes are not in the encoding."""
    decoder = codecs.getincrementaldecoder(encoding)()
    with open_bytes(path) as file:
        while chunk := file.read(_CHUNK_BYTES):
            yield decoder.decode(chunk)
    yield decoder.decode(b"", final=True)


def _is_utf8(path: Path) -> bool:
    characters = nuls = 0
    try:
        for text in _chunks(path, "utf-8"):
            characters += len(text)
            nuls += text.count("\0")
    except UnicodeDecodeError:
        return False
    # UTF-16 without its mark is valid UTF-8 as well, where it holds Latin letters only: every other byte is 0.
    return nuls <= _LARGEST_NUL_SHARE * characters


def _is_chinese(path: Path) -> bool:
    """Whether a file read as GB18030 gives Chinese, and not some characters or other."""
    letters = common = 0
    try:
        for text in _chunks(path, "gb18030"):
            foreign = [character for character in text if not character.isascii() and character.isalpha()]
            letters += len(foreign)
            common += sum(character in _COMMON_IDEOGRAPHS for character in foreign)
    except UnicodeDecodeError:
        return False
    return letters >= _FEWEST_LETTERS and common >= _SMALLEST_COMMON_SHARE * letters


def _name_one(path: Path) -> str:
    """Which encodings the user may try."""
    possible = [name for name in _possible_names(path) if _reads(path, name)]
    if not possible:
        return "check that this is a text file, and save it as UTF-8"
    others = f" (or {', '.join(possible[1:])})" if possible[1:] else ""
    return f"name the encoding that the file was saved in, as in `encoding: {possible[0]}`{others}, or save it as UTF-8"


def _possible_names(path: Path) -> tuple[str, ...]:
    with open_bytes(path) as file:
        head = file.read(_CHUNK_BYTES)
    if head.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)):
        return ("utf-16",)
    return ("utf-16-le", "utf-16-be") if b"\0" in head else _CANDIDATES


def _reads(path: Path, encoding: str) -> bool:
    try:
        for _ in _chunks(path, encoding):
            pass
    except UnicodeDecodeError:
        return False
    return True


def _place_of_error(path: Path, encoding: str) -> str:
    """Where decoding stops: the line from 1, the byte (of the decompressed file) from 0."""
    decoder = codecs.getincrementaldecoder(encoding)()
    lines, consumed = 1, 0
    with open_bytes(path) as file:
        while True:
            chunk = file.read(_CHUNK_BYTES)
            try:
                lines += decoder.decode(chunk, final=not chunk).count("\n")
            except UnicodeDecodeError as error:
                # The decoder kept the beginning of a character from the chunk before: it stands in front of this one.
                kept = len(error.object) - len(chunk)
                lines += error.object[: error.start].decode(encoding, "replace").count("\n")
                return f"line {lines:,}, byte {consumed - kept + error.start:,} of the file"
            if not chunk:
                return "zero bytes between the letters"
            consumed += len(chunk)
