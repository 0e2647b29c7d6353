"""What answers in free words mean."""

import pytest

from ernie_deploy.smoke.boxes import boxes_in, overlap, why_no_box
from ernie_deploy.smoke.reading import colour_meant, colours_in_order, digits_meant, number_meant, times_meant


@pytest.mark.parametrize(
    "text",
    [
        '[{"bbox_2d": [60, 560, 440, 940], "label": "square"}]',
        'Here it is:\n```json\n[{"bbox_2d": [60, 560, 440, 940], "label": "square"}]\n```\nSee [1].',
        '{"objects": [{"label": "square", "box": {"x1": 60, "y1": 560, "x2": 440, "y2": 940}}]}',
        '{"label": "square", "bounding_box": [60.0, 560, 440, 940]}',
        'At [60, 560, 440, 940]:\n```json\n{"bbox_2d": [60, 560, 440, 940], "label": "square"}\n```',
        '{"label": "square", "bbox": {"xmin": 60, "ymin": 560, "xmax": 440, "ymax": 940}}',
        '{"label": "square", "bbox": {"left": 60, "top": 560, "right": 440, "bottom": 940}}',
        '{"label": "square", "bbox": {"x": 60, "y": 560, "width": 380, "height": 380}}',
        '{"label": "square", "bbox_2d": [[60, 560], [440, 940]]}',
        '{"label": "square", "top_left": [60, 560], "bottom_right": {"x": 440, "y": 940}}',
    ],
)
def test_a_box_is_found_in_every_usual_form(text: str) -> None:
    assert boxes_in(text) == (((60, 560, 440, 940), "square"),)


@pytest.mark.parametrize(
    "text",
    [
        "", "none", "[1, 2, 3]", "[60, 560, 440", "{'bbox_2d': 1}", "[true, 1, 2, 3]", "[[[", "[[1, 2], [3]]",
        '{"x": 1, "y": 2, "width": 3, "height": "4"}', '{"top_left": 1, "bottom_right": 2}',
    ],
)  # fmt: skip
def test_what_is_no_box_in_json_is_not_found(text: str) -> None:
    assert boxes_in(text) == ()


def test_two_boxes_stay_two() -> None:
    assert [box.label for box in boxes_in('[{"bbox": [1, 2, 3, 4], "label": "a"}, [5, 6, 7, 8]]')] == ["a", ""]


def test_a_box_beyond_the_picture_or_without_an_inside_is_none() -> None:
    assert why_no_box((0, 0, 1000, 1000)) is None
    assert "not within 0 and 1000" in str(why_no_box((0, 0, 1001, 10)))
    assert "empty" in str(why_no_box((500, 0, 400, 10)))


@pytest.mark.parametrize("side", ["1" + "0" * 400, "-1" + "0" * 400, "1e999", "NaN"])
def test_a_number_beyond_all_bounds_makes_a_box_beyond_the_picture(side: str) -> None:
    (box,) = boxes_in(f'[{{"bbox_2d": [0, 0, {side}, 500]}}]')
    assert "is not within 0 and 1000" in (why_no_box(box.sides) or "")


def test_overlap_is_the_shared_part_of_both() -> None:
    assert overlap((0, 0, 10, 10), (0, 0, 10, 10)) == 1
    assert overlap((0, 0, 10, 10), (0, 0, 10, 5)) == 0.5
    assert overlap((0, 0, 10, 10), (20, 20, 30, 30)) == 0
    assert overlap((5, 5, 5, 5), (5, 5, 5, 5)) == 0


@pytest.mark.parametrize(
    "text",
    [
        "7", "7.0", "**7**", "\\boxed{7}", "３ + ４ = ７", "The sum of 3 and 4 is 7.", "The sum is seven.",
        "答案是七。", "The numbers are 3 and 4.\nThe sum is 7.", "3 + 4 = 7", "Adding 3 and 4 gives **7**.",
        "The sum of 3 and 4 equals 7.", "The sum is 7 (3 + 4).", "7. The numbers are 3 and 4.", "3加4等于7",
        "**3** and **4** add up to **7**.", "3 plus 4 makes 7", "The answer is 7, not 8.",
        "The blue bar shows the value 7 (red = 3, green = 5).", "It is 7, which is higher than the red bar's 3.",
        "x = 7, because 7/2 + 1 = 4.5", "Therefore $x = 7$.\n\n**Verification:**\n7/2 + 1 = 4.5",
        "x = 7. To check: 7/2 + 1 = 3.5 + 1 = 4.5, so it holds.", "x = 7, and indeed 7/2 + 1 = 4.5.",
        "x = 7\n\nSubstituting back: 7/2 + 1 = 4.5.", "x=7。验证：7/2+1=4.5。",
        "所以 x = 7，代入原方程：7/2 + 1 = 4.5。",
        "x/2 = 3.5\n\n**Check:** 7/2 + 1 = 4.5 ✓\n\n**Answer:** $x = 7$", "Check the digits: 3 + 4 = 7",
        "x = 8. Let's check: 8/2 + 1 = 5, which is wrong, so x = 7.",
        "1. The first number is 3.\n2. The second is 4.\n\nSo they sum to 7.", "**Step 1:** 3 + 4 = 7",
        "\\(3 + 4 = 7\\)",
        "The 2nd bar shows 7.", "3 and 4 → 7", "The number is 7, in a corner of the 1344×1344 image.",
    ],
)  # fmt: skip
def test_seven_is_meant(text: str) -> None:
    assert number_meant(text) == 7


@pytest.mark.parametrize(
    "text",
    [
        "", "none", "7 or 8", "It is 3. No, 7 or 8.", "The sum is 3, or the sum is 7.", "x = 3 or x = 7",
        "The sum is 3. Or maybe the sum is 7.", "和是3。或者，和是7。",
        "7 (or 8)", "It could be 3, 4 or 7.", "between 3 and 7",
    ],
)  # fmt: skip
def test_no_number_is_meant_where_two_could_be(text: str) -> None:
    assert number_meant(text) is None


def test_a_number_below_zero_is_another_one() -> None:
    assert [number_meant(text) for text in ("-7", "x = −7", "The range is 3-7, so 7")] == [-7, -7, 7]


def test_digits_that_are_drawn_apart_are_one_number() -> None:
    assert [digits_meant(text) for text in ("4 2 9", "The number is 429.", "**4 2 9**", "42 9")] == [
        429,
        429,
        429,
        None,
    ]


def test_a_number_over_ten_is_read_in_chinese() -> None:
    assert [number_meant(text) for text in ("十", "十二", "二十", "三十四")] == [10, 12, 20, 34]


@pytest.mark.parametrize(
    ("text", "seconds"),
    [
        ("At second 5.", (5,)),
        ("It turns red at 00:05.", (5,)),
        ("At 0:01:05 it happens", (65,)),
        ("第5秒", (5,)),
        ("In the 8-second video it turns red at 5.0 s.", (5,)),
        ("The video is 8 seconds long. It turns red at second 5.", (5,)),
        ("Between 5 and 6 seconds", (5, 6)),
        ("Never.", ()),
        ("The picture turns red at the fifth second.", (5,)),
        ("At the 5th second.", (5,)),
        ("White from 0 to 5 seconds, turns red at 5 seconds, and is white again from 6 to 8 seconds.", (5,)),
        ("At second 5, lasting for about 1 second.", (5,)),
        ("It turns red at 5 s (1 second).\n\nBefore that, from 0 to 4.5 s, it is white.", (5,)),
        ("It turns red at 1 s or 5 s.", (1, 5)),
        ("It appears white from 0 to 4 s, then turns red at 5 s.", (5,)),
        ("There is no change from 0 to 4 s; at 5 s it turns red.", (5,)),
        ("- **0–5 s:** white\n- **5 s:** red\n\nSo it turns red at the **5-second mark** (00:05).", (5,)),
        ("- **0–5 s:** white\n- **5 s:** red", (0, 5, 5)),
        ("The picture turns red at second 5 (frame 10 of 16).", (5,)),
        ("The picture turns red (at 5 s).", (5,)),
        ("It turns red at second 5, or it turns red at second 2.", (5, 2)),
        ("It turns red at second 5. Or maybe it turns red at second 2.", (5, 2)),
    ],
)
def test_the_seconds_of_an_event_are_found(text: str, seconds: tuple[float, ...]) -> None:
    assert times_meant(text) == seconds


def test_the_last_list_of_colours_is_the_answer() -> None:
    assert colours_in_order("red, green, blue") == ("red", "green", "blue")
    assert colours_in_order("1. red\n2. red\n3. green") == ("red", "green")
    assert colours_in_order("Red, green and blue.\n\nBlue stays the longest, then red.") == ("red", "green", "blue")
    assert colours_in_order("Red, then green, then blue. Neither black nor white.") == ("red", "green", "blue")
    longest = "In this order:\n\n1. **Red**\n2. **Green**\n3. **Blue**\n\nBlue is the longest, followed by red."
    assert colours_in_order(longest) == ("red", "green", "blue")
    assert colours_in_order("首先是红色，然后是绿色，最后是蓝色。") == ("red", "green", "blue")
    assert colours_in_order("Blue and red appear. The order is red, then blue.") == ("red", "blue")


@pytest.mark.parametrize(
    "text",
    [
        "The red bar is short. The tallest is blue.", "**Blue** is taller than red.", "最高的是蓝色的柱子",
        "The chart shows red = 3, blue = 7, green = 2, so the tallest is blue.", "The tallest bar is blue, not red.",
        "The tallest is the blue bar with 7, compared to red (3) and green (2).", "Blue is taller than red and green.",
        "It is uniformly blue; there is no red or green.", "The colour is blue.\n\nA solid fill, without red or green.",
        "图片的颜色是深蓝色，没有红色或绿色。", "画面是蓝色的，不是红色。", "这张图片是蓝的。",
        "蓝色柱子高于红色和绿色柱子。",
        "The blue bar's value exceeds those of the red and green bars.",
        "Blue.\n\nIt reaches 7, and red 3, green 2.", "Among red, green and blue, blue is the tallest.",
    ],
)  # fmt: skip
def test_blue_is_meant(text: str) -> None:
    assert colour_meant(text) == "blue"


@pytest.mark.parametrize(
    "text",
    [
        "red or blue", "It could be red, green or blue.", "blue (or red)", "No red, only a mix of green and blue.",
        "红色或蓝色", "It is red. Or maybe it is blue.", "是红色。或者是蓝色。",
        "The tallest is blue and the shortest is red.", "明白", "说得明白的。", "没有红色，是蓝色或绿色。",
    ],
)  # fmt: skip
def test_no_colour_is_meant_where_two_could_be(text: str) -> None:
    assert colour_meant(text) is None
