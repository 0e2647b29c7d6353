"""The nearest setting on each lever that would fit: an exact search that plans each number again. Pure."""

from collections.abc import Callable, Iterable, Iterator, Sequence

import msgspec

from ernie_deploy.architecture.shape import tensor_parallel_sizes
from ernie_deploy.architecture.tokens import PIXELS_PER_TOKEN, most_picture_tokens
from ernie_deploy.catalog.fit import fit
from ernie_deploy.catalog.load import engines
from ernie_deploy.plan.gate import LEAST_LENGTH, Case, changed, fits, ledgers_of, picture_length, starts
from ernie_deploy.spec.schema import flag_of

LEVERS = (
    "max_num_batched_tokens",
    "max_model_len",
    "max_num_seqs",
    "image_max_pixels",
    "quantization",
    "tensor_parallel_size",
)
LEAST_PICTURE_TOKENS = 4


class Lever(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """The nearest setting of one key that fits, all others as they are; without a value none does.

    `starts_value` is a nearer one, or the only one, with which it starts at least; the verdict is then tight. The flags
    are for a shell.
    """

    key: str
    value: int | str | None
    flags: str
    starts_value: int | str | None = None
    starts_flags: str = ""


def levers(case: Case, keys: Iterable[str] = LEVERS) -> tuple[Lever, ...]:
    """For each lever the engine has the nearest setting that fits; the search is exact to the last token."""
    known = engines()[case.demand.engine].settings
    # All parts of a model that is spread on one host share its memory: that makes no room.
    keys = [key for key in keys if not (key == "tensor_parallel_size" and case.demand.device == "cpu")]
    # A report of other settings says nothing about these.
    case = case._replace(known=None)
    return tuple(_lever(case, key) for key in keys if _setting(key) in known)


def _setting(key: str) -> str:
    return "mm_processor_kwargs" if key == "image_max_pixels" else key


def _lever(case: Case, key: str) -> Lever:
    value = _nearest(case, key, fits)
    started = None if starts(case) else _nearest(case, key, starts)
    started = None if started == value else started
    return Lever(key, value, _flags(case, key, value), started, _flags(case, key, started))


def _nearest(case: Case, key: str, is_good: Callable[[Case], bool]) -> int | str | None:
    if key == "quantization":
        choices: Iterable[int | str] = _smaller_weights(case)
    elif key == "tensor_parallel_size":
        choices = _card_counts(case)
    else:
        choices = _nearest_numbers(case, key, is_good)
    return next((one for one in choices if is_good(changed(case, key, one))), None)


def _card_counts(case: Case) -> list[int]:
    """More cards, the fewest first; fewer only where the present number is impossible."""
    possible, present = tensor_parallel_sizes(case.weights.shape), case.demand.tensor_parallel_size
    more = [one for one in possible if one > present]
    return more if present in possible else more + [one for one in reversed(possible) if one < present]


def _nearest_numbers(case: Case, key: str, is_good: Callable[[Case], bool]) -> Iterator[int]:
    """The largest smaller number that is not too much, then the smallest larger one that is not too little.

    What is good lies between two limits: below the lower one a number is too little for the others, above the upper
    one it takes too much.
    """
    unit, least, present, most = _scale(case, key)

    def is_too_little(number: int) -> bool:
        return _is_too_little(changed(case, key, number * unit), key, is_good)

    below = _largest(
        present - 1, least, lambda number: is_too_little(number) or is_good(changed(case, key, number * unit))
    )
    if below is not None:
        yield below * unit
    if is_too_little(present):
        above = _largest(most - 1, present, is_too_little)
        yield ((present if above is None else above) + 1) * unit


def _scale(case: Case, key: str) -> tuple[int, int, int, int]:
    """The unit of a lever, and in units its least number, the present one and the most that makes sense."""
    demand, shape = case.demand, case.weights.shape
    if key == "image_max_pixels":
        present = most_picture_tokens(demand.limits) if picture_length(case) else 0
        return PIXELS_PER_TOKEN, LEAST_PICTURE_TOKENS, present, present
    if key == "max_model_len":
        return 1, LEAST_LENGTH, demand.max_model_len, max(shape.max_position_embeddings, demand.max_model_len)
    if key == "max_num_seqs":
        return 1, 1, demand.max_num_seqs, max(demand.max_num_batched_tokens, demand.max_num_seqs)
    most = demand.max_model_len * demand.max_num_seqs
    return 1, 1, demand.max_num_batched_tokens, max(most, demand.max_num_batched_tokens)


def _is_too_little(case: Case, key: str, is_good: Callable[[Case], bool]) -> bool:
    """Whether this number is too small beside the others; a larger one is then needed, whatever memory there is."""
    demand = case.demand
    slots, step = demand.max_model_len * demand.max_num_seqs, demand.max_num_batched_tokens
    if key == "max_model_len":
        holds_a_picture = is_good is starts or demand.max_model_len >= picture_length(case)
        return step > slots or demand.max_model_len < LEAST_LENGTH or not holds_a_picture
    if key == "max_num_seqs":
        return step > slots
    if key == "max_num_batched_tokens":
        return step < demand.max_num_seqs or (demand.engine == "fastdeploy" and step < min(demand.block_size, slots))
    return False


def _largest(most: int, least: int, is_good: Callable[[int], bool]) -> int | None:
    """The largest number for which it holds, given that it holds for every smaller one too."""
    if most < least or not is_good(least):
        return None
    while least < most:
        middle = (least + most + 1) // 2
        least, most = (middle, most) if is_good(middle) else (least, middle - 1)
    return least


def _smaller_weights(case: Case) -> Sequence[str]:
    """Quantizations with smaller weights than the present one, the largest first: bits alone do not tell, for not each
    of them touches the same parts."""
    names = fit().engines[case.demand.engine].quantizations
    found = {name: ledgers_of(changed(case, "quantization", name))[0] for name in names}
    taken = {name: sum(line.bytes for line in one.lines if line.role == "share") for name, one in found.items()}
    return sorted(
        (name for name, size in taken.items() if size < taken[case.demand.quantization]), key=lambda name: -taken[name]
    )


def _flags(case: Case, key: str, value: int | str | None) -> str:
    if value is None:
        return ""
    if key == "image_max_pixels":
        limits = msgspec.json.encode({**case.demand.limits, key: value}).decode()
        return f"{flag_of('mm_processor_kwargs')} '{limits}'"
    return f"{flag_of(key)} {value}"
