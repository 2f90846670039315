"""Events of a run as lines for a person: what happened, with its numbers, one line each."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, Final

Event = Mapping[str, Any]


def event_line(event: Event) -> str:
    """The line for an event; empty for one that is only for the page."""
    tell = _LINES.get(str(event["event"]))
    return tell(event) if tell else ""


def duration(seconds: float) -> str:
    """Seconds in the two units that say most: `2 h 05 min`, `12 min`, `34 s`."""
    if seconds < 90:
        return f"{seconds:.0f} s" if seconds >= 1 or not seconds else f"{seconds:.1f} s"
    minutes = round(seconds / 60)
    return f"{minutes} min" if minutes < 90 else f"{minutes // 60} h {minutes % 60:02} min"


def _source(e: Event) -> str:
    line = str(e["describe"])
    if e["held_out"]:
        line += f"; {e['held_out']:,} held out to measure the domain"
    return line + (f"; {e['asked']:,} left out because a test item asks them" if e["asked"] else "")


def _endpoint(e: Event) -> str:
    named = "" if e["model"] == e["base"] else f" (the base here is {e['base']})"
    agreed = f"{e['agreed']} of {e['asked']} greedy answers are the base's"
    return f"replay is answered at {e['url']} by {e['model']}{named}: {agreed}"


def _replay(e: Event) -> str:
    prompts = {"both": "given and self-written"}.get(e["prompts"], e["prompts"])
    line = f"replay: {e['rows']:,} rows answered by the base ({prompts} prompts)"
    if e.get("from_cache"):
        line += f", {e['from_cache']:,} of them kept from before"
    if e.get("refused"):
        line += f", {e['refused']:,} prompts refused by the chat template"
    if e.get("modes"):
        line += f", {e['modes']['on']:,} of them with thinking switched on and {e['modes']['off']:,} with it off"
    if e.get("forms"):
        forms = f"{e['forms']:,} form{'s' * (e['forms'] != 1)}"
        line += f", the prompts taken in turns from {forms} among {e['self_written']:,} self-written ones"
    holes = e.get("holes", {})
    filled = [f"{name} ({hole['prompts']:,} prompts)" for name, hole in holes.items() if hole["filled"]]
    line += f"; holes that the base filled: {', '.join(filled)}" if filled else ""
    for said, value in (("no prompts of their own kind", False), ("cover unknown", None)):
        names = [f"{name}{_in_vain(holes.get(name))}" for name, covered in e["covered"].items() if covered is value]
        line += f"; {said}: {', '.join(names)}" if names else ""
    return line + ("; every ability is covered" if all(e["covered"].values()) else "")


def _in_vain(hole: Mapping[str, Any] | None) -> str:
    return f" (a hole that {hole['prompts']:,} prompts written for it did not fill)" if hole is not None else ""


def _mixture(e: Event) -> str:
    if any(s["realised"] is not None for s in e["shares"]):
        given = ((s["source"], s["realised"], s["tokens"]) for s in e["shares"])
        return "trained on: " + ", ".join(
            f"{name} {_percent(share)} ({tokens:,} tokens)" for name, share, tokens in given
        )
    shares = ", ".join(f"{s['source']} {100 * s['asked']:.0f} %" for s in e["shares"])
    told = [
        f"  {name}: {line}" for name, account in e.get("accounts", {}).items() for line in account_lines(name, account)
    ]
    about = "about " if any(a.get("sampled_from") for a in e.get("accounts", {}).values()) else ""
    return "\n".join([f"mixture: {shares}; {about}{e['tokens']:,} tokens in {e['steps']:,} steps", *told])


def account_lines(name: str, a: Mapping[str, Any]) -> list[str]:
    """What the chat template and the length made of the rows of a source, where it is worth a line."""
    lines = [f"left out {_rows(n)}: {reason}" for reason, n in a["rejected"].items()]
    if a["split_rows"]:
        lines.append(
            f"{_rows(a['split_rows'])} trained turn by turn, {a['documents']:,} documents in all: the chat template "
            "rewrites earlier turns once a conversation goes on"
        )
    if a.get("split_texts"):
        lines.append(f"{_rows(a['split_texts'])} of raw text trained in pieces, {a['documents']:,} documents in all")
    if a["cut_rows"]:
        lines.append(f"prompts of {_rows(a['cut_rows'])} cut at the left, by {a['cut_tokens']:,} tokens")
    if a["plain_specials"]:
        lines.append(f"{_rows(a['plain_specials'])} with the spelling of special tokens, read as plain text")
    if a["thoughtless"] and name.partition("/")[0] != "replay":
        lines.append(f"{a['thoughtless']:,} answers without thoughts, which teach a model that thinks to think no more")
    if a.get("sampled_from") is None:
        return lines
    looked = a["rows"] + sum(a["rejected"].values())
    sample = f"in a sample of {looked:,} of {a['sampled_from']:,} rows"
    return [f"lengths are those found {sample}; the others are looked at when they are drawn",
            *(f"{sample}: {line}" for line in lines)]  # fmt: skip


def _rows(n: int) -> str:
    return f"{n:,} row{'s' * (n != 1)}"


def _plan(e: Event) -> str:
    looks, share = e["cadence"], 100 * e["cadence"]["share"]
    parts = [
        f"plan: about {duration(e['seconds'])} in all",
        f"{e['steps']:,} steps",
        f"{looks['looks']:,} look{'s' * (looks['looks'] != 1)} at up to {looks['dev_items']:,} items a task, one every "
        f"{looks['every_steps']:,} steps ({share:.0f} % of the training time)",
        f"memory {e['memory']['needed_bytes'] / 1e9:.1f} GB",
        f"disk {e['disk']['needed_bytes'] / 1e9:.1f} GB",
    ]
    said = [*(f"chosen: {choice}" for choice in e["chosen"]), *(f"warning: {warning}" for warning in e["warnings"])]
    return "\n  ".join(["; ".join(parts), *said])


def _log(e: Event) -> str:
    parts = [f"{name} {e[name]:.4g}" for name in ("loss", "ce", "kl", "learning_rate") if e.get(name) is not None]
    return f"step {e['step']}: {', '.join(parts)}"


def _evaluation(e: Event) -> str:
    domain = e["domain"]["score"]
    changes = [(c["capability"], c["estimate"]) for c in e["capabilities"] if c["estimate"] is not None]
    worst = sorted(changes, key=lambda change: change[1])[:3]
    text = ", ".join(f"{name} {100 * change:+.1f}" for name, change in worst)
    absent = [c["capability"] for c in e["capabilities"] if c["outcome"] == "absent"]
    nothing = f"; the base cannot do, so nothing to keep: {', '.join(absent)}" if absent else ""
    return f"step {e['step']}: domain {_percent(domain)}; largest changes in points: {text}{nothing}"


def _path(e: Event) -> str:
    if e["passed"]:
        return f"path: a = {e['a']:g} passed"
    failed = ", ".join(v["capability"] for v in e["verdicts"] if not _stands(v))
    return f"path: a = {e['a']:g} failed ({failed or 'nothing there to keep'})"


def _stands(verdict: Event) -> bool:
    """As `forgetless.verdicts.stands` has it, of a verdict as it was told."""
    return verdict["outcome"] == "kept" or (verdict["outcome"] == "absent" and not verdict.get("measurable"))


def _shipped(e: Event) -> str:
    return f"shipped: {e['folder']}/, {e['label']}" + "".join(f"\n  missing: {m}" for m in e["missing"])


def _sweep(e: Event) -> str:
    trials, field = e["trials"], e["field"]
    ends = [sum(trial["ends"][rung] / trial["steps"] for trial in trials) / len(trials) for rung in range(len(field))]
    drawn = f" of {e['combinations']:,} combinations" * (e["combinations"] > len(trials))
    rungs = ", ".join(f"{size:,} to {100 * end:.0f} % of a run" for size, end in zip(field, ends, strict=True))
    line = (
        f"sweep: {len(trials):,} trials{drawn}; {rungs}; about {e['steps']:,} steps in all; {duration(e['seconds'])}; "
        f"disk {e['disk']['needed_bytes'] / 1e9:.1f} GB"
    )
    return "\n  ".join([line, *(f"warning: {warning}" for warning in e["warnings"])])


def _trial(e: Event) -> str:
    values = ", ".join(f"{path}: {value}" for path, value in e["values"].items())
    return f"{e['trial']} ({values}): rung {e['rung']} of {e['rungs']}, to step {e['until']:,}"


def _rung(e: Event) -> str:
    going = f"; going on: {', '.join(e['on'])}" if e["on"] != e["ranked"] else ""
    return f"rung {e['rung']}, the best first: {', '.join(e['ranked'])}{going}"


def _percent(score: float | None) -> str:
    return "unknown" if score is None else f"{100 * score:.1f} %"


_LINES: Final[dict[str, Callable[[Event], str]]] = {
    "source": _source,
    "endpoint": _endpoint,
    "replay": _replay,
    "plan": _plan,
    "mixture": _mixture,
    "log": _log,
    "evaluation": _evaluation,
    "adjustment": lambda e: f"step {e['step']}: {e['reason']}",
    "brake": lambda e: f"step {e['step']}: {e['reason']}" if e["weight"] > e["weight_before"] else "",
    "alarm": lambda e: f"ALARM at step {e['step']}: {e['message']}",
    "stop": lambda e: f"stopped at step {e['step']}: {e['reason']}",
    "chosen": lambda e: f"chosen: step {e['step']} ({e['reason']})",
    "path": _path,
    "shipped": _shipped,
    "sweep": _sweep,
    "trial": _trial,
    "rung": _rung,
    "trial_broke": lambda e: f"{e['trial']} broke down: {e['reason']}",
    "sweep_chosen": lambda e: f"chosen among the trials: {e['trial']}",
}
