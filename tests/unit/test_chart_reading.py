"""What answers in free words mean when they speak of every bar of a chart."""

import pytest

from ernie_deploy.smoke.chart_reading import tallest_meant, value_meant


@pytest.mark.parametrize(
    "text",
    [
        "7", "The value of the blue bar is 7.", "The blue bar shows 7, the red bar 3.",
        "The blue bar shows 7; the others show 3 and 5.", "The blue bar's value is 7, the highest of the 4 bars.",
        "Of the 4 bars, the blue one shows 7.", "The red bar shows 3 and the blue bar shows 7.",
        "The blue bar shows **7**, and the red bar shows 3.", "The blue bar is at position 2, and its value is 7.",
        "蓝色柱子显示的值是7，红色是3。", "蓝色柱子的数值是7，而红色柱子是3，绿色柱子是5。",
        "蓝色柱子是第2根，数值为7。",
    ],
)  # fmt: skip
def test_the_blue_bar_is_seven(text: str) -> None:
    assert value_meant(text, "blue") == 7


@pytest.mark.parametrize(
    "text",
    [
        "The blue bar shows 3 (red = 7, green = 5).", "The blue bar shows 3, not 7.", "The blue bar shows not 7 but 3.",
        "The blue bar shows 3 or 7.", "The blue bar shows between 3 and 7.", "The blue bar shows 7 to 9.",
        "The blue bar shows 7. No, it is 3.", "The red bar shows 7, the blue bar 3.",
        "The blue bar shows a value of **3**, the red one 7.", "The red bar shows 7 and the blue bar shows 3.",
        "蓝色柱子的数值是3，而红色柱子是7。", "红色柱子的数值是7，蓝色柱子的数值是3。", "蓝色柱子的数值不是7，是3。",
    ],
)  # fmt: skip
def test_another_number_or_two_of_them_are_not_seven(text: str) -> None:
    assert value_meant(text, "blue") != 7


@pytest.mark.parametrize(
    "text",
    [
        "Blue", "**Answer:** Blue", "Blue is the tallest; red is the shortest.",
        "The tallest is blue. Red is the lowest.",
        "The tallest bar is blue and the shortest is red.", "Red is the shortest, blue the tallest, green in between.",
        "The bar labelled 9 — the blue one — is the tallest, well above green at 5 and red at 3.",
        "The blue bar (9) is the tallest, ahead of green (5) and red (3).",
        "Blue is the tallest, and green is the second tallest.", "Among the three bars (red, green, blue), it is blue.",
        "蓝色柱子最高，数值为9，其次是绿色（5），最矮的是红色（3）。",
        "最高的柱子是蓝色，红色最矮。", "与红色和绿色相比，蓝色柱子最高。",
        "在红色、绿色和蓝色三根柱子中，蓝色柱子最高。", "蓝色柱子的数值最大，为9，而红色和绿色分别为3和5。",
    ],
)  # fmt: skip
def test_blue_is_called_the_tallest(text: str) -> None:
    assert tallest_meant(text) == "blue"


@pytest.mark.parametrize(
    "text",
    [
        "The tallest bar is red. The shortest is blue.", "Red is the tallest; blue is the second tallest.",
        "Blue looks the tallest. But no, red is.", "The tallest is red or blue.", "Blue is not the tallest, red is.",
        "蓝色柱子最高。或者，红色柱子最高。",
        "The tallest is blue and the tallest is red.", "Red (9) is the tallest, ahead of blue (7).",
        "红色柱子最高，其次是蓝色，绿色最矮。", "最高的是红色，蓝色最矮。", "最高的不是蓝色，而是红色。",
        "与蓝色相比，红色柱子最高。",
        "红色柱子比蓝色高，所以红色最高。", "在这张图片中红色柱子最高，高于蓝色。",
    ],
)  # fmt: skip
def test_blue_is_not_called_the_tallest_where_another_bar_is_or_both(text: str) -> None:
    assert tallest_meant(text) != "blue"


def test_the_shortest_bar_is_no_answer() -> None:
    assert tallest_meant("The shortest is blue.") is None
