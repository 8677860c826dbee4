"""Identity codes and business ids: the official examples, every century, and synthetic codes only."""

from __future__ import annotations

import random
from datetime import date

import pytest
from hypothesis import given
from hypothesis import strategies as st

from adapter.source import business_id, identity_code

OFFICIAL = """
    010594Y9032 010594Y9021 020594X903P 020594X902N 030594W903B 030694W9024 040594V9030 040594V902Y 050594U903M
    050594U902L 010516B903X 010516B902W 020516C903K 020516C902J 030516D9037 030516D9026 010501E9032 020502E902X
    020503F9037 020504A902E 020504B904H 010280-9075 311080-999X 140379-902X 020974-903S 200594-904B 110101A905B
    080885-906S 231188-907N 300670-908J
"""
BUSINESS_IDS = "0246246-0 2606155-7 0204819-8 0245929-6 3221308-6 0208521-2 1093863-3 0357502-9 0828618-9"


@pytest.mark.parametrize("code", OFFICIAL.split())
def test_published_synthetic_codes_are_right(code: str) -> None:
    """Codes of DVV, Kanta samples and our scenarios pass; each other check character fails."""
    assert identity_code.problem(code) is None
    for other in "0123456789ABCDEFHJKLMNPRSTUVWXY".replace(code[-1], ""):
        assert identity_code.problem(code[:-1] + other) == "check"


@pytest.mark.parametrize(("sign", "century"), identity_code.CENTURY_SIGNS.items())
def test_all_thirteen_signs(sign: str, century: int) -> None:
    """Every sign tells its century and is not part of the sum."""
    code = f"010120{sign}900{identity_code.check_character('010120900')}"
    assert identity_code.problem(code) is None
    assert identity_code.birth_date(code) == date(century + 20, 1, 1)
    assert len(identity_code.CENTURY_SIGNS) == 13


@pytest.mark.parametrize(
    ("code", "problem"),
    [
        ("", "shape"),
        ("200594-904b", "shape"),
        ("200594/904B", "shape"),
        ("200594G904B", "shape"),
        ("200594-904G", "shape"),
        (" 200594-904B", "shape"),
        ("200594-904B\n", "shape"),
        ("٢00594-904B", "shape"),
        ("300294-904B", "date"),
        ("290200-9047", None),
        ("290200+9047", "date"),
        ("290200-904X", "date"),
        ("200594-0013", "number"),
        ("010190-999Y", "check"),
    ],
)
def test_wrong_codes_are_told_apart(code: str, problem: str | None) -> None:
    """Shape, day, number and check character; 1900 was no leap year, 2000 was."""
    if problem is None:
        code = code[:-1] + identity_code.check_character(code[:6] + code[7:10])
        code = code.replace("-", "A")
    assert identity_code.problem(code) == problem


@given(st.dates(date(1800, 1, 1), date(2099, 12, 31)), st.integers())
def test_synthetic_codes_are_right_and_belong_to_nobody(born: date, seed: int) -> None:
    """Right check character, the day of birth, individual number 900–999; the same seed, the same code."""
    code = identity_code.synthetic(born, random.Random(seed))
    assert identity_code.problem(code) is None
    assert identity_code.birth_date(code) == born
    assert code[7] == "9"
    assert identity_code.synthetic(born, random.Random(seed)) == code


def test_codes_exist_for_three_centuries_only() -> None:
    """Outside 1800–2099 there is no sign, and what is no code has no day of birth."""
    with pytest.raises(ValueError, match="1800"):
        identity_code.synthetic(date(2100, 1, 1), random.Random(1))
    with pytest.raises(ValueError, match="identity code"):
        identity_code.birth_date("x")


@pytest.mark.parametrize(
    ("text", "inside"),
    [
        ("plan-200594-904B", True),
        ("010594Y9032", True),
        ("x200594-904B-2", True),
        ("plan-2022-0001", False),
        ("20200594-904B", False),
        ("200594-904BX", False),
        ("200594-904C", False),
    ],
)
def test_identity_codes_inside_identifiers_are_found(text: str, inside: bool) -> None:
    """A right code between other characters is found; dates and running numbers are not mistaken for one."""
    assert identity_code.is_inside(text) == inside


@pytest.mark.parametrize(
    "number",
    BUSINESS_IDS.split(),
)
def test_real_business_ids_pass_and_others_fail(number: str) -> None:
    """Published ids pass, every other check digit fails."""
    assert business_id.problem(number) is None
    for digit in "0123456789".replace(number[-1], ""):
        assert business_id.problem(number[:-1] + digit) == "check"


def test_business_ids_have_one_shape_and_some_numbers_are_never_given() -> None:
    """Seven digits, hyphen, digit; a remainder of one has no check digit at all."""
    assert business_id.problem("246246-0") == "shape"
    assert business_id.problem("0246246-0\n") == "shape"
    never = [number for number in range(2000) if business_id.check_digit(f"{number:07}") is None]
    assert never
    assert all(business_id.problem(f"{never[0]:07}-{digit}") == "check" for digit in range(10))
