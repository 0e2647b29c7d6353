"""How a fact is said in Chinese, the model's first language: it slips into it when a question is short."""

import json
from collections.abc import Sequence

from ernie_deploy.rehearsal.scenes import VIDEO_SECONDS
from ernie_deploy.rehearsal.talk import LANGUAGES
from tests.support.oracle import facts
from tests.support.oracle.facts import CAPITALS, Fact

SIGNS = {name: sign.removesuffix("色") for name, sign in LANGUAGES["zh"].colours.items()}
PARTS = {"picture": "图片", "video": "视频"}
CITIES = dict(zip(CAPITALS, ("巴黎", "里昂", "马赛", "尼斯", "图卢兹", "波尔多", "里尔", "南特"), strict=True))
QUARTERS = {"top left": "左上角", "top right": "右上角", "bottom left": "左下角", "bottom right": "右下角"}


def chinese(fact: Fact) -> str:
    match fact:
        case facts.Colour(told):
            return f"这张图片的主要颜色是{SIGNS[told]}色，不是灰色，整个画面没有黑色或白色。"
        case facts.InOrder("part", told):
            return f"视频中依次出现的颜色是：{_listed(told)}。"
        case facts.InOrder(of, (first, second)):
            return f"第一个{PARTS[of]}是{SIGNS[first]}色，第二个{PARTS[of]}是{SIGNS[second]}色。"
        case facts.Tallest(values, told):
            return f"{SIGNS[told]}色柱子最高，而{_listed([name for name in values if name != told])}柱子都比它矮。"
        case facts.Value(values, colour, told):
            others = "，".join(f"{SIGNS[name]}色是{value}" for name, value in values.items() if name != colour)
            return f"{SIGNS[colour]}色柱子的数值是{told}，而{others}。"
        case facts.Sum(first, second, told):
            return f"这两个数字是{first}和{second}，{first}加{second}等于{told}，所以它们的和是{told}。"
        case facts.Root(equation, told):
            divisor, added, result = equation
            return (
                f"由 x/{divisor} + {added} = {result} 得 x/{divisor} = {result - added}，所以 x = {told}。"
                f"验证：{told}/{divisor} + {added} = {result}。"
            )
        case facts.Number(told):
            return f"面板上的数字是{told}。"
        case facts.Place(colour, told):
            found = {"bbox_2d": fact.box, "label": f"{SIGNS[colour]}色方块"}
            return f"方块位于图片的{QUARTERS[told]}：\n{json.dumps(found, ensure_ascii=False)}"
        case facts.Moment(colour, told):
            return f"视频长{VIDEO_SECONDS}秒。画面在第{told}秒变成{SIGNS[colour]}色，持续约1秒，然后恢复为白色。"
        case facts.Word("secret", told):
            return f"秘密单词是“{told}”。"
        case facts.Word("found", told):
            return f"搜索结果是：{told}。"
        case facts.Echo(told):
            return told
        case facts.Capital(told=told):
            return f"法国的首都是{CITIES[told]}。"
        case facts.Talk("story"):
            return "从前有一座灯塔，守塔人每天晚上都为海上的人点灯。" * 80
    return "我是文心（ERNIE，a large language model），很高兴为您看图、看视频。"


def _listed(names: Sequence[str]) -> str:
    return "、".join(f"{SIGNS[name]}色" for name in names)
