"""What answers in free words mean."""

import pytest

from ernie_deploy.smoke.reading import (
    boxes_in,
    colour_meant,
    colours_in_order,
    number_meant,
    overlap,
    times_meant,
    why_no_box,
)


@pytest.mark.parametrize(
    "text",
    [
        '[{"bbox_2d": [60, 560, 440, 940], "label": "square"}]',
        'Here it is:\n```json\n[{"bbox_2d": [60, 560, 440, 940], "label": "square"}]\n```\nSee [1].',
        '{"objects": [{"label": "square", "box": {"x1": 60, "y1": 560, "x2": 440, "y2": 940}}]}',
        '{"label": "square", "bounding_box": [60.0, 560, 440, 940]}',
    ],
)
def test_a_box_is_found_in_every_usual_form(text: str) -> None:
    assert boxes_in(text) == (((60, 560, 440, 940), "square"),)


@pytest.mark.parametrize("text", ["", "none", "[1, 2, 3]", "[60, 560, 440", "{'bbox_2d': 1}", "[true, 1, 2, 3]", "[[["])
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
    ],
)  # fmt: skip
def test_seven_is_meant(text: str) -> None:
    assert number_meant(text) == 7


@pytest.mark.parametrize("text", ["", "none", "7 or 8", "The answer is 7, not 8.", "It is 3. No, 7 or 8."])
def test_no_number_is_meant_where_two_could_be(text: str) -> None:
    assert number_meant(text) is None


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
    ],
)
def test_the_seconds_of_an_event_are_found(text: str, seconds: tuple[float, ...]) -> None:
    assert times_meant(text) == seconds


def test_the_last_list_of_colours_is_the_answer() -> None:
    assert colours_in_order("red, green, blue") == ("red", "green", "blue")
    assert colours_in_order("1. red\n2. red\n3. green") == ("red", "green")
    assert colours_in_order("Blue and red appear. The order is red, then blue.") == ("red", "blue")


def test_one_colour_is_meant_or_none() -> None:
    assert colour_meant("The red bar is short. The tallest is blue.") == "blue"
    assert colour_meant("**Blue** is taller than red.") == "blue"
    assert colour_meant("red or blue") is None
