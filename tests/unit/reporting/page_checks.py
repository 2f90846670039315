"""What a browser would complain about, found without one."""

from __future__ import annotations

from html.parser import HTMLParser

VOID = {"meta", "input", "br", "img", "link", "hr"}


class Page(HTMLParser):
    """Reads a page strictly: what opens must close, in order."""

    def __init__(self, html: str) -> None:
        super().__init__(convert_charrefs=True)
        self.open: list[str] = []
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self.wrong: list[str] = []
        self.texts: list[str] = []
        self.feed(html)
        self.close()
        self.wrong += [f"never closed: {tag}" for tag in self.open]

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs)))
        if tag not in VOID:
            self.open.append(tag)

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs)))

    def handle_endtag(self, tag: str) -> None:
        if not self.open or self.open[-1] != tag:
            self.wrong.append(f"</{tag}> inside {self.open[-3:]}")
        else:
            self.open.pop()

    def handle_data(self, data: str) -> None:
        if not {"style", "script"} & set(self.open):
            self.texts.append(data)

    @property
    def text(self) -> str:
        return " ".join(self.texts)

    def attributes(self, name: str) -> list[str]:
        return [attributes[name] or "" for _, attributes in self.tags if name in attributes]


def problems(html: str) -> list[str]:
    """Unbalanced tags, ids that are used twice, references that lead nowhere, and anything that would be fetched."""
    page = Page(html)
    ids = page.attributes("id")
    found = [*page.wrong, *(f"id twice: {i}" for i in set(ids) if ids.count(i) > 1)]
    inner = [href[1:] for href in page.attributes("href") if href.startswith("#")]
    named = [name for value in page.attributes("aria-labelledby") for name in value.split()]
    found += [f"leads nowhere: {name}" for name in (*inner, *named, *page.attributes("for")) if name not in ids]
    found += [f"fetches: {tag} {attributes}" for tag, attributes in page.tags if tag in ("link", "img", "iframe")]
    found += [f"fetches: {value}" for value in (*page.attributes("src"), *page.attributes("srcset"))]
    found += [f"fetches: {h}" for h in page.attributes("href") if "//" in h]
    return found
