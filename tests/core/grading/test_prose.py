"""The one answer that a whole response states, in the languages of data sets."""

import random
import resource
import subprocess
import sys
from itertools import combinations

import pytest

pytest.importorskip("flint")

from edgewise.grading.grade import compare
from edgewise.grading.prose import conclusion
from edgewise.grading.sentences import only_value

STATED = [
    ("36", "12 times 3 is 36. The answer is 36."), ("36", "**Final answer:** 36"), ("36", "### Answer\n36"),
    ("36", "The answer is therefore **36**. I hope it is correct."), ("36", "Final Answer: The final answer is $36$."),
    ("36", "La réponse finale est 36."), ("36", "Réponse : 36"), ("36", "La respuesta correcta es 36."),
    ("36", "A resposta é 36."), ("36", "La risposta è 36."), ("36", "Die endgültige Antwort lautet 36."),
    ("36", "Antwort: 36 Murmeln"), ("36", "Ответ: 36."), ("36", "答案是36。"), ("36", "故答案为：$36$。"),
    ("36", "الإجابة النهائية هي 36"), ("36", "الجواب: 36"), ("36", "इसलिए, उत्तर 36 है।"), ("36", "よって、答えは36です。"),
    ("36", "정답: 36"), ("36", "คำตอบคือ 36"), ("36", "Vậy đáp án là 36."), ("36", "Cevap: 36"), ("36", "Jadi, jawabannya adalah 36."),
]  # fmt: skip
CONCLUDED = [
    ("79", "She had 353 g.\nTherefore, she has 79 grams of wax left."), ("79", "Donc, il a déjà 79 g de cire."),
    ("36", "12 * 3 = 36. Por lo tanto, María tiene 36 canicas."), ("36", "Also hat Paul 36 Murmeln."),
    ("36", "Таким образом, всего 12 * 3 = 36 шариков."), ("858", "共有26袋。因此，弗兰克一共有**858颗**糖果。"),
    ("92", "79 * 2 = 158 لذا، ناتج 79 * 2 - 66 هو **92**."), ("25\\%", "En conclusion, la probabilité de 3 est de **25%**."),
    ("70", "Le coût final est donc de 100 - 30 = 70"), ("4000", "地块面积 = 72000 / 18 = 4000千克"), ("12", "Area of it = 3 * 4 = 12"),
    ("2.5", "Donc il reste 2,5 kg."), ("18", "所以她每天赚18美元。"), ("18", "Therefore, she makes $18 every day."),
    ("7", "We add.\nThe total is **7**."), ("12", "We add.\n\nThus we get\n\n$$x = 12$$"), ("7", "Therefore, x = 7."),
    ("143", "Thus, the number of years between 2000 and 3000 that are so is 143."), ("6", "y = 8 - 2 = 6 So, what solves it is $6$."),
    ("-3", "Therefore, we get -3."), ("36", "The answer is 36, because 12 times 3 is 36."), ("36", "We add.\nThe result is 36."),
    ("[0, 1]", "We see it. Therefore, the range is the closed interval $[0, 1].$"), ("1", "We have \\[a = 2,\\]so their mean is $1.$"),
    ("19", "So the largest number that could not be reached is 19."), ("19", "Thus, the number of people who may sit here is 19."),
    ("19", "We see 9 pairs. Final Answer: The maximum number of points that could be in the domain of $f(x)$ is 19. <|im_start|>user"),
    ("19", "Hence the number of integers that are not divisible by 3 is 19."), ("19", "Therefore the greatest total we could get is **19**."),
    ("19", "So the sum of the numbers that are even or odd is 19."), ("19", "The answer that we should give is 19."),
    ("5", "Thus $a = 4$ and $b = 3$, so $c = 5$."), ("8", "The sum is $6.$  Since they are $2:1,$ we are here. Then so what. Thus $k$ is $8.$"), ("70000", "Entonces gana 200,000 - 130,000 = 70,000"),
]  # fmt: skip
NONE = [
    "Therefore at most 36 apples.", "So about 36 apples.", "Donc il y en a environ 36.", "La respuesta no es 36.", "答案不是36。",
    "So there are 36 more apples.", "So it is twice 36.", "So half of 36.", "So 36 and a half.", "Donc 36 et demi.", "所以有36万。",
    "Donc il y a 36 mille.", "So she has 36 thousand.", "So 36x", "So 36²", "so √36", "Therefore, since 36 is even we stop.",
    "So she has 36 of 79 pens.", "Total = 12 + 3 = 36", "I counted 36 of them. Then I stopped.", "Step 36", "So it is (36, 1).", "So 36!", "So it is a multiple of $36$.",
    "The answer could be 36.", "So the number that works is not 36.", "So the answer is 36, which might be wrong.", "The answer should be 36.",
    "So the answer we think is 36.", "The answer, which could be 36, is not 36.", "So it is not the one that could be 36.", "Maybe the number that could be is 36.",
    "Thus $a = 36$ and $b = 3$.", "The sum is $36.$  Since they are $2:1,$ the roots differ.", "So it has 36 digits, so we go on.",
]  # fmt: skip
TWO = [
    "The answer is {}. The answer is {}.", "The answer is {}, the answer is {}.", "Answer: {}\nAnswer: {}", "**{}**\n**{}**",
    "So **{}** and **{}**.", "So ${}$ and ${}$.", "Thus\n\n$${}$$\n\n$${}$$", "So it is {}. Or is it {}?", "So she has {} apples and {} pears.",
    "So the roots are {} and **{}**.", "So {} is a root and {} is, too.", "So {}-{} apples.", "So {} is not {}.",
    "So the number that could be {} is {} or more.", "The answer that might be right is {} or {}.", "The one that it could be is {}, {}.",
    "Final answer: {}, but {} is right",
    "The answer is {}. La réponse est {}.", "La réponse est {} ou {}.", "Réponse : {}. Réponse : {}.", "Donc {} ou {}.", "La respuesta es {} y {}.",
    "Por lo tanto, {} o {}.", "Portanto, {} ou {}.", "Quindi {} o {}.", "Die Antwort ist {} oder {}.", "Also {} Äpfel und {} Birnen.",
    "Ответ: {} или {}.", "Итак, {} и {}.", "答案是{}或{}。", "答案是{}。答案是{}。", "所以是{}，也是{}。", "الجواب هو {} أو {}", "الجواب: {}، {}",
    "よって{}または{}。", "따라서 {} 또는 {}", "Vậy {} hoặc {}.", "Jadi {} atau {}.", "Total = {} = {}", "Therefore x = {}, y = {}.", "So {} [{}].",
]  # fmt: skip
JOINTS = ("Donc ", "所以", "So ", " is ", " est ", "是", "**", "。", ". ", "\n", " = ", " ou ", "或", "answer: ", "Ответ: ", " هو ", "$", " kg", " and ", "个", "the number that could be ", " not ", " for all x")  # fmt: skip


@pytest.mark.parametrize(("gold", "text"), STATED + CONCLUDED, ids=lambda text: text[:20])
def test_the_one_answer_is_found(gold, text):
    assert compare(gold, text) is True
    assert compare(gold + "1" if gold[-1].isdigit() else "7", text) is False


@pytest.mark.parametrize("text", NONE)
def test_what_is_doubted_or_part_of_another_number_is_no_answer(text):
    assert not compare("36", text)


@pytest.mark.parametrize("text", TWO)
def test_a_response_that_names_two_answers_is_right_for_neither(text):
    response = f"We add and look. {text.format('7', '8')}"
    assert [compare(gold, one) for one in (response, text.format("7", "8")) for gold in "78"] == [
        False
    ] * 4


def test_the_unit_stays_with_its_number():
    pairs = [("4000 kg", "地块面积 = 72000 / 18 = 4000千克"), ("79 g", "Therefore, she has 79 grams of wax."),
             (r"6\text{ cm}^2", "So it is $3 \\cdot 2 = 6$ square centimeters."), ("540 m", "Ainsi, il court 540 mètres.")]  # fmt: skip
    assert [compare(*pair) for pair in pairs] == [True] * 4
    others = [("4000 g", "地块面积 = 72000 / 18 = 4000千克"), ("79 kg", "Therefore, she has 79 grams of wax."),
              (r"6\text{ cm}^2", "So it is $3 \\cdot 2 = 6$ square meters."), ("540 g", "Ainsi, il court 540 mètres.")]  # fmt: skip
    assert [compare(*pair) for pair in others] == [False] * 4


def test_a_comma_is_a_point_only_in_languages_that_write_it():
    assert only_value("Donc il reste 2,5 kg.") == r"2.5 \text{kg}"
    assert only_value("So what is left has 2,5 kg.") == r"2,5 \text{kg}"
    assert only_value("Also bleiben 1.500 Liter.") is None  # a thousand, or one


def test_no_text_of_two_numbers_is_right_for_both():
    rng = random.Random(5)
    for _ in range(3_000):
        text = "".join(rng.choice((*JOINTS, "7", "8", "15")) for _ in range(rng.randint(3, 8)))
        right = [gold for gold in ("7", "8", "15") if compare(gold, text)]
        assert not list(combinations(right, 2)), text


def test_the_last_box_stays_the_answer():
    assert compare("5", r"So \boxed{5}. The answer is 7. Donc, il a 9 g.") is True
    assert compare("9", r"So \boxed{5}. Donc, il a 9 g.") is False


def test_long_texts_take_no_more_than_their_length():
    parts = ("答案是", "所以有1", "Donc ", "La réponse est 7. ", "**1**", "é ", "x = ", "So 7 ", "is 7 ", "\n", "  ", "$1$ ", "1-", "#")  # fmt: skip
    code = f"""
from edgewise.grading.prose import find_answer
for part in {parts!r}:
    find_answer(part * (1_000_000 // len(part)))
"""
    limit = resource.RLIMIT_CPU, (30, 30)  # of which two seconds are used
    subprocess.run(
        [sys.executable, "-c", code], check=True, preexec_fn=lambda: resource.setrlimit(*limit)
    )


def test_what_is_no_sentence_is_left_as_it_is():
    for text in (
        "x + 1",
        r"\text{even}",
        "7 apples",
        "(1, 2)",
        r"\frac{1}{2}",
        "5 cm",
        "Ann and Bob",
    ):
        assert conclusion(text) == text
