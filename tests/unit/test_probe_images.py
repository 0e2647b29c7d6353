"""What the probes of pictures make of answers: sizes, limits, broken files, addresses, bombs."""

import json
import struct
import zlib
from collections.abc import Callable, Iterator
from contextlib import contextmanager

import msgspec
import pytest

from ernie_deploy.client import Answer, Client, Endpoint, RawAnswer, RefusedError, Usage
from ernie_deploy.client.wire import Chunk, Reply, Sent
from ernie_deploy.smoke.probes import bad_images, image_bomb, image_digit, image_sizes, media_urls, several_images
from ernie_deploy.smoke.refusing import in_words, is_here, judge_refusals, why_not_refused
from ernie_deploy.smoke.target import Profile, Target

BARE = b"Internal Server Error"


def raw(status: int, message: str = "", kind: str = "invalid_request_error", body: bytes = b"") -> RawAnswer:
    said = json.dumps({"error": {"message": message, "type": kind}}).encode() if message else body
    return RawAnswer(status, {}, said, "http://127.0.0.1:9/v1/chat/completions", 0.1)


def answer(content: str, reasoning: str = "", **counted: int) -> Answer:
    return Answer(reasoning, content, (), "stop", Usage(**counted), 0.1)


def target(profile: Profile = "rehearsal", engine: str = "unknown", url: str = "http://127.0.0.1:9") -> Target:
    return Target(Client(Endpoint(url, "any")), engine, profile)


class Picky:
    """A wire that answers words and refuses every picture."""

    @contextmanager
    def open(self, sent: Sent) -> Iterator[Reply]:
        is_picture = b"image_url" in (sent.content or b"")
        body = b'{"error": "no"}' if is_picture else b'{"choices": [{"message": {"content": "4"}}]}'
        yield Reply(400 if is_picture else 200, {}, sent.path, iter([Chunk(0.1, body), Chunk(0.1, b"")]))

    def observe(self, _label: str, _name: str, look: Callable[[], object]) -> object:
        return look()

    def close(self) -> None:
        pass


# Refusals ---------------------------------------------------------------------------------------------------------


def test_a_refusal_is_a_4xx_that_says_why() -> None:
    assert why_not_refused(raw(400, "no picture")) is None
    assert why_not_refused(raw(200, "")) == "it was accepted"
    assert why_not_refused(raw(500, "no picture")) == "not a 4xx but HTTP 500: no picture"
    assert why_not_refused(raw(400)) == "HTTP 400 without a word"
    assert not in_words(raw(500, body=BARE))


@pytest.mark.parametrize(
    ("engine", "said", "verdict"),
    [
        ("vllm", raw(400, "no picture"), "pass"),
        ("vllm", raw(500, "no picture"), "fail"),
        ("fastdeploy", raw(500, "no picture"), "unsupported"),
        ("fastdeploy", raw(500, "the engine broke", "internal_error"), "fail"),
        ("fastdeploy", raw(500, body=BARE), "fail"),
        ("fastdeploy", raw(200, "fine"), "fail"),
        ("transformers", raw(500, body=BARE), "unsupported"),
    ],
)
def test_a_500_is_excused_only_in_the_form_that_is_known_of_the_engine(
    engine: str, said: RawAnswer, verdict: str
) -> None:
    found = judge_refusals(engine, "bad-picture-is-a-500", {"a text": said})
    assert found.verdict == verdict
    assert bool(found.reference) == (verdict == "unsupported")


def test_one_bad_answer_among_good_ones_fails_them_all() -> None:
    found = judge_refusals("vllm", "bad-picture-is-a-500", {"first": raw(400, "no"), "second": raw(200, "yes")})
    assert (found.verdict, found.message) == ("fail", "second: it was accepted")


def test_a_service_is_here_when_its_address_is_the_loopback() -> None:
    assert is_here(target(url="http://127.0.0.1:8180"))
    assert is_here(target(url="http://localhost:8180/v1"))
    assert is_here(target(url="http://[::1]:8180"))
    assert not is_here(target(url="http://10.0.0.7:8180"))


# Files that are no pictures ---------------------------------------------------------------------------------------


def test_a_misnamed_picture_may_be_read_or_refused_but_not_mistaken() -> None:
    red = json.dumps({"choices": [{"message": {"content": "The image is red."}}]}).encode()
    assert bad_images.why_misread(target(), "red", raw(200, body=red)) is None
    assert bad_images.why_misread(target(), "red", raw(400, "not a JPEG")) is None
    assert bad_images.why_misread(target(), "blue", raw(200, body=red)) is not None
    assert bad_images.why_misread(target("contract"), "blue", raw(200, body=red)) is None
    assert bad_images.why_misread(target(), "red", raw(500, body=BARE)) is not None


def test_the_bomb_is_small_and_whole_and_claims_what_it_unpacks_to() -> None:
    data = image_bomb.bomb(80)
    (length,) = struct.unpack(">I", data[33:37])
    assert struct.unpack(">II", data[16:24]) == (80, 80)
    assert len(zlib.decompress(data[41 : 41 + length])) == 80 * (1 + 10)


def test_the_bomb_is_not_kept_as_a_picture_that_a_report_would_show() -> None:
    asked = msgspec.structs.replace(target("contract"), client=Client(Endpoint("http://127.0.0.1:9"), wire=Picky()))
    assert image_bomb.judge(asked).verdict == "pass"
    assert asked.log.pictures == []


def test_a_bomb_that_is_accepted_or_unpacked_first_is_a_fail() -> None:
    slow = RawAnswer(400, {}, b"no", "", 60.0)
    assert image_bomb.why_unguarded(raw(200, "fine")) is not None
    assert image_bomb.why_unguarded(slow) == "the refusal took 60 s: it was unpacked first"
    assert image_bomb.why_unguarded(raw(500, "too large")) is None
    assert image_bomb.why_slower(0.1, 6.0) is not None
    assert image_bomb.why_slower(0.1, 4.0) is None
    assert image_bomb.why_slower(3.0, 6.0) is None


# Sizes ------------------------------------------------------------------------------------------------------------


def test_a_large_picture_may_not_cost_more_than_the_largest_limit() -> None:
    most = image_sizes.MOST_TOKENS
    assert image_sizes.why_too_many(answer("red", image_tokens=most)) is None
    assert image_sizes.why_too_many(answer("red", image_tokens=most + 1)) is not None
    assert image_sizes.why_too_many(answer("red", prompt_tokens=most + 100)) is None
    assert image_sizes.why_too_many(answer("red", prompt_tokens=22_000)) is not None
    assert image_sizes.why_too_many(answer("red")) is None


def test_a_short_context_gets_a_picture_that_fits_half_of_it() -> None:
    width, height = image_sizes.fitting(8192)
    assert 3500 < width * height / 784 <= 4200


def test_a_large_picture_may_be_refused_only_for_want_of_context() -> None:
    too_long = "HTTP 500: Input text is too long, input_ids_len (8191) + min_tokens(1) >= max_model_len(8192)"
    assert image_sizes.may_refuse(8192, too_long)
    assert image_sizes.may_refuse(4096, "The decoder prompt is longer than the maximum model length of 4096")
    assert not image_sizes.may_refuse(32768, too_long)
    assert not image_sizes.may_refuse(8192, "HTTP 500: Internal Server Error")


def test_a_tiny_picture_is_answered_or_refused_in_words() -> None:
    fine, bare = raw(200, "red"), raw(500, body=BARE)
    assert image_sizes.tiny_judged("vllm", {"1 x 1": fine}).verdict == "pass"
    assert image_sizes.tiny_judged("vllm", {"1 x 1": fine, "10 x 2000": raw(400, "too thin")}).verdict == "pass"
    assert image_sizes.tiny_judged("vllm", {"1 x 1": bare}).verdict == "fail"
    assert image_sizes.tiny_judged("fastdeploy", {"1 x 1": raw(500, "crash", "internal_error")}).verdict == "fail"


# Several pictures -------------------------------------------------------------------------------------------------


def test_the_limit_is_read_from_the_refusals_of_both_engines() -> None:
    assert several_images.limit_named("Too many image items in prompt, got 33 but limit is 10") == 10
    assert several_images.limit_named("At most 4 image(s) may be provided in one prompt.") == 4
    assert several_images.limit_named("Input text is too long") is None


def test_what_a_refusal_names_as_the_limit_must_be_true() -> None:
    fine, over = raw(200, "red"), raw(400, "limit is 10")
    assert several_images.limit_judged("vllm", 10, fine, over).verdict == "pass"
    assert several_images.limit_judged("vllm", 10, over, over).verdict == "fail"
    assert several_images.limit_judged("vllm", 10, fine, fine).verdict == "fail"
    assert several_images.limit_judged("fastdeploy", 10, fine, raw(500, "limit is 10")).verdict == "unsupported"
    assert several_images.limit_judged("fastdeploy", 10, fine, raw(500, body=BARE)).verdict == "fail"


def test_many_pictures_that_are_accepted_must_all_cost_tokens() -> None:
    one, two, all_seen, some_left_out = (Usage(20 + 10 * more) for more in (0, 1, 32, 9))
    assert several_images.judge_many("fastdeploy", all_seen, one, two).verdict == "unsupported"
    assert several_images.judge_many("vllm", all_seen, one, two).verdict == "skip"
    assert several_images.judge_many("fastdeploy", some_left_out, one, two).verdict == "fail"
    assert several_images.judge_many("fastdeploy", one, one, one).verdict == "fail"
    assert several_images.judge_many("vllm", Usage(), Usage(), Usage()).verdict == "skip"


def test_one_picture_a_request_is_unsupported_only_where_that_is_the_default() -> None:
    refused = RefusedError(500, "HTTP 500: got 2 but limit is 1")
    found = several_images.why_not_two("fastdeploy", refused)
    assert found.verdict == "unsupported"
    assert "--limit-mm-per-prompt" in found.hint
    assert several_images.why_not_two("vllm", refused).verdict == "fail"
    assert several_images.why_not_two("fastdeploy", RefusedError(500, "HTTP 500: broken")).verdict == "fail"


def test_two_pictures_are_told_apart_in_their_order() -> None:
    pair = ("red", "blue")
    right = "The first picture is red, the second is blue."
    assert several_images.why_wrong(target(), pair, right) is None
    assert several_images.why_wrong(target(), pair, "Red and blue.") is not None
    assert several_images.why_wrong(target("model"), pair, "Picture 1: red. Picture 2: **blue**.") is None
    assert several_images.why_wrong(target("model"), pair, "Blue, then red.") is not None
    assert several_images.why_wrong(target("model"), pair, "Both are red.") is not None


def test_a_contract_sees_the_second_picture_by_its_tokens() -> None:
    one, two = answer("red", prompt_tokens=100), answer("red", prompt_tokens=170)
    assert several_images.judge_cost(two, one).verdict == "pass"
    assert several_images.judge_cost(one, one).verdict == "fail"
    assert several_images.judge_cost(answer("red"), one).verdict == "skip"


# Digits -----------------------------------------------------------------------------------------------------------


def test_digits_are_judged_by_the_thought_that_lists_them() -> None:
    assert image_digit.why_misread((4, 3), answer("The sum is 7.", "The numbers are 3 and 4.")) is None
    assert image_digit.why_misread((4, 3), answer("The sum is 7.", "The numbers are 2 and 5.")) is not None
    assert image_digit.why_misread((4, 3), answer("", "The numbers are 3 and 4.")) is not None


def test_the_number_that_is_drawn_must_be_the_one_that_is_meant() -> None:
    assert image_digit.why_another(301, "301") is None
    assert image_digit.why_another(301, "There are 3 digits. The number is 301.") is None
    assert image_digit.why_another(301, "**3 0 1**") is None
    assert image_digit.why_another(301, "The number in the picture is 301. (It stands at the top, in row 1.)") is None
    assert image_digit.why_another(301, "301 or perhaps 307") is not None
    assert image_digit.why_another(301, "I see no number.") is not None


# Addresses --------------------------------------------------------------------------------------------------------


def files(exists: RawAnswer, missing: RawAnswer, **others: RawAnswer) -> dict[str, RawAnswer]:
    """What comes for a file that exists and for one that does not, by URL and by bare path."""
    bare = {media_urls.EXISTS: missing, media_urls.MISSING: missing}
    return {f"file://{media_urls.EXISTS}": exists, f"file://{media_urls.MISSING}": missing, **bare, **others}


def test_a_file_is_read_when_it_is_answered_or_told_from_a_missing_one() -> None:
    never = raw(400, "file URLs are not allowed")
    no_picture = raw(500, f"cannot identify image file {media_urls.EXISTS}")
    not_there = raw(500, f"No such file: {media_urls.MISSING}")
    assert media_urls.why_read(files(never, never, path=never)) is None
    assert "was read and answered" in str(media_urls.why_read(files(never, never, path=raw(200, "red"))))
    assert "it opens files" in str(media_urls.why_read(files(no_picture, not_there)))


def test_a_bare_path_that_is_opened_is_told_too() -> None:
    never = raw(400, "file URLs are not allowed")
    answers = files(never, never) | {media_urls.EXISTS: raw(500, "cannot identify image file")}
    assert "it opens files" in str(media_urls.why_read(answers))


def test_whether_files_are_read_cannot_be_told_from_a_refusal_without_words() -> None:
    silent, never = raw(500, body=BARE), raw(400, "file URLs are not allowed")
    assert media_urls.judge_files(target(), files(never, never)).verdict == "pass"
    assert media_urls.judge_files(target(), files(silent, silent)).verdict == "skip"
    read = files(silent, silent, path=raw(200, "red"))
    assert media_urls.judge_files(target(), read).verdict == "fail"
    assert media_urls.judge_files(target(engine="transformers"), read).verdict == "unsupported"


def test_words_that_differ_only_in_the_path_are_the_same_refusal() -> None:
    exists, missing = (raw(400, f"{path} is not allowed") for path in (media_urls.EXISTS, media_urls.MISSING))
    assert media_urls.why_read(files(exists, missing)) is None


def test_a_place_in_memory_that_a_refusal_names_is_no_difference() -> None:
    one, other = (raw(400, f"cannot identify image file <_io.BytesIO object at 0x7f{digit}>") for digit in "ab")
    assert media_urls.why_read(files(one, other)) is None


@pytest.mark.parametrize(
    ("said", "visits", "verdict"),
    [
        (raw(400, "the URL must be from one of the allowed domains"), (), "pass"),
        (raw(400, "not an image"), ("/start",), "fail"),
        (raw(200, "red"), ("/start", "/picture.png"), "fail"),
        (raw(500, "HTTPConnectionPool: Max retries exceeded with url"), (), "fail"),
        (raw(500, "Cannot connect to host 127.0.0.1:9"), (), "fail"),
        (raw(200, "red"), (), "fail"),
        (raw(500, body=BARE), (), "skip"),
    ],
)
def test_whoever_comes_or_tries_has_fetched(said: RawAnswer, visits: tuple[str, ...], verdict: str) -> None:
    assert media_urls.judge_attempt(target(), said, visits).verdict == verdict


def test_fetching_is_unsupported_where_it_is_known_and_the_hint_says_what_to_do() -> None:
    found = media_urls.judge_attempt(target(engine="fastdeploy"), raw(500, "Max retries exceeded"), ())
    assert found.verdict == "unsupported"
    assert "proxy" in found.hint
