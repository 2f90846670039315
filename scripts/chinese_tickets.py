"""Write a Chinese domain: calls to a city's hotline, to be turned into work orders as JSON.

Every call is made of parts that are drawn by a seed: a place, what is wrong there, how it is said. Test calls use
other ways to say it than training calls, so a model that only remembers sentences does not pass.

    python scripts/chinese_tickets.py            writes data/chinese_tickets/{train,test}.jsonl
"""

from __future__ import annotations

import argparse
import json
import random
from pathlib import Path
from typing import NamedTuple

ROOT = Path(__file__).parents[1]


class Trouble(NamedTuple):
    """One kind of trouble: its department, how callers name it when a model learns, and how when it is tested."""

    kind: str
    department: str
    learnt: tuple[str, ...]
    tested: tuple[str, ...]


TROUBLES = (
    Trouble(
        "停水",
        "水务局",
        ("没水了", "停水了", "水龙头不出水", "家里没有水用", "水断了", "水又停", "水管没水", "一整天都没水"),
        ("一直没有水", "水停了"),
    ),
    Trouble(
        "停电",
        "供电公司",
        ("没电了", "停电了", "电跳闸了", "家里没有电用", "电断了", "电又停", "全楼没电", "一整天都没电"),
        ("一直没有电", "电停了"),
    ),
    Trouble(
        "噪音",
        "环保局",
        ("太吵了", "半夜很吵", "施工声音大", "吵得没法休息", "噪音不断", "机器声音吵人", "唱歌声音太大", "天天吵"),
        ("声音很大", "吵得睡不着"),
    ),
    Trouble(
        "垃圾",
        "环卫所",
        (
            "垃圾没人收",
            "垃圾堆满了",
            "到处是垃圾",
            "垃圾桶满了",
            "垃圾发臭",
            "没人来收垃圾桶",
            "垃圾太多",
            "有人乱扔垃圾",
        ),
        ("垃圾很多", "没人收垃圾"),
    ),
    Trouble(
        "路灯",
        "城管局",
        ("路灯不亮", "路灯坏了", "晚上没有灯", "灯坏了好几个", "路灯一闪一闪", "灯全不亮", "路灯灭了", "一盏灯都没有"),
        ("灯不亮了", "路灯都坏了"),
    ),
    Trouble(
        "停车",
        "交警队",
        ("车乱停", "车堵住门口", "没地方停车", "车停在人行道上", "有车占道", "门口停满车", "有人把车乱停", "车挡路"),
        ("有人乱停车", "门口堵着车"),
    ),
    Trouble(
        "积水",
        "排水处",
        (
            "下雨就积水",
            "路上积水很深",
            "下水道堵了",
            "积水没人排",
            "地上都是积水",
            "下水道冒水",
            "水排不掉",
            "积水过不去",
        ),
        ("积水排不掉", "下水道不通"),
    ),
    Trouble(
        "养犬",
        "派出所",
        ("狗叫个不停", "有狗咬人", "狗没有拴", "有人遛狗不拴", "狗半夜叫", "大狗没绳", "野狗很多", "狗追着人跑"),
        ("狗一直叫", "狗不拴绳"),
    ),
)

_FIRST = "和东西南北新长中大青"
_SECOND = "平安华明河山园林江湖"
_KINDS = ("路", "街", "里", "巷")
PLACES = tuple(f"{a}{b}{kind}" for a in _FIRST for b in _SECOND for kind in _KINDS)

LEARNT = (
    "{place}{trouble}，请派人看看。",
    "你好，{place}这边{trouble}。",
    "我住{place}，{trouble}，谁来管？",
    "{place}{trouble}，已经三天了。",
    "请问{place}{trouble}怎么办？",
    "反映一下：{place}{trouble}。",
    "{place}门前{trouble}，希望解决。",
    "您好，{place}{trouble}，请处理。",
    "今天{place}{trouble}。",
    "我们{place}的居民反映，{trouble}。",
    "麻烦来{place}，{trouble}。",
    "{place}最近{trouble}，没人管。",
)
TESTED = (
    "{place}附近{trouble}，麻烦处理。",
    "您好，我要反映{place}{trouble}。",
    "家在{place}，{trouble}，怎么办？",
    "{place}今天又{trouble}。",
)


def call(rng: random.Random, *, tested: bool) -> dict[str, str]:
    """One call and its work order."""
    trouble, place = rng.choice(TROUBLES), rng.choice(PLACES)
    said = rng.choice(trouble.tested if tested else trouble.learnt)
    order = {"类别": trouble.kind, "部门": trouble.department, "地点": place}
    return {
        "来电": rng.choice(TESTED if tested else LEARNT).format(place=place, trouble=said),
        "工单": json.dumps(order, ensure_ascii=False),
    }


def calls(n: int, *, seed: int, tested: bool) -> list[dict[str, str]]:
    """Distinct calls."""
    rng = random.Random(f"{seed}:{tested}")
    found: dict[str, dict[str, str]] = {}
    while len(found) < n:
        drawn = call(rng, tested=tested)
        found[drawn["来电"]] = drawn
    return list(found.values())


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--output", type=Path, default=ROOT / "data" / "chinese_tickets")
    parser.add_argument("--rows", type=int, default=3000)
    parser.add_argument("--items", type=int, default=1200)
    parser.add_argument("--seed", type=int, default=0)
    arguments = parser.parse_args()
    arguments.output.mkdir(parents=True, exist_ok=True)
    for name, n, tested in (("train", arguments.rows, False), ("test", arguments.items, True)):
        path = arguments.output / f"{name}.jsonl"
        lines = (json.dumps(drawn, ensure_ascii=False) for drawn in calls(n, seed=arguments.seed, tested=tested))
        path.write_text("".join(f"{line}\n" for line in lines), "utf-8")
        print(f"{path}: {n:,} calls")


if __name__ == "__main__":
    main()
