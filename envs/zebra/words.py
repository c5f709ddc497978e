"""The words of zebra puzzles: attributes and their values, clues as sentences or symbols.

The wording "sec" is that of the problems of Chen et al. (2025), arXiv 2505.14970, kept as it is.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

from edgewise.envs.zebra.problem import Clue, Problem

ORDINALS = ("first", "second", "third", "fourth", "fifth", "sixth", "seventh")

# Of each attribute: how SEC introduces it, how we name one of its people, and its values, with what
# SEC calls their people.
WORDS: dict[str, tuple[str, str, dict[str, str]]] = {
    "name": (
        "Each person has a unique name",
        "{title}",
        {
            "arnold": "Arnold",
            "alice": "Alice",
            "bob": "Bob",
            "carol": "Carol",
            "david": "David",
            "emily": "Emily",
        },
    ),
    "flower": (
        "They all have a different favorite flower",
        "the person who grows {value}",
        {
            "carnations": "the person who loves a carnations arrangement",
            "daffodils": "the person who loves a bouquet of daffodils",
            "iris": "the person who loves the boquet of iris",
            "lilies": "the person who loves the boquet of lilies",
            "orchid": "the person who loves the boquet of orchid",
            "roses": "the person who loves the rose bouquet",
        },
    ),
    "child": (
        "Each mother is accompanied by their child",
        "the mother of {title}",
        {
            "alice": "the person's child is named Alice",
            "billy": "the person who is the mother of Billy",
            "timothy": "the person who is the mother of Timothy",
            "bella": "the person's child is named Bella",
            "fred": "the person's child is named Fred",
            "meredith": "the person's child is named Meredith",
        },
    ),
    "drink": (
        "Each person has a favorite drink",
        "the {value} drinker",
        {
            "boba tea": "the boba tea drinker",
            "coffee": "the coffee drinker",
            "water": "the one who only drinks water",
            "milk": "the person who likes milk",
            "root beer": "the root beer lover",
            "tea": "the tea drinker",
        },
    ),
    "cigar": (
        "Everyone has a different favorite cigar",
        "the {title} smoker",
        {
            "dunhill": "the Dunhill smoker",
            "pall mall": "the person partial to Pall Mall",
            "prince": "the Prince smoker",
            "blue master": "the person who smokes Blue Master",
            "red eye": "the person who smokes Red Eye",
            "yellow monster": "the person who smokes Yellow Monster",
        },
    ),
    "animal": (
        "The people keep different animals",
        "the {value} owner",
        {
            "bird": "the bird keeper",
            "cat": "the cat lover",
            "dog": "the dog owner",
            "fish": "the fish enthusiast",
            "horse": "the person who keeps horses",
            "pig": "the pig owner",
        },
    ),
    "phone": (
        "People use different phone models",
        "the person with the {title}",
        {
            "google pixel 6": "the person who uses a Google Pixel 6",
            "huawei p50": "the person who uses a Huawei P50",
            "oneplus 9": "the person who uses a OnePlus 9",
            "samsung galaxy s21": "the person who uses a Samsung Galaxy S21",
            "sony xperia 5": "the person who uses a Sony Xperia 5",
            "xiaomi mi 11": "the person who uses a Xiaomi Mi 11",
        },
    ),
    "color": (
        "Each person has a favorite color",
        "the person in {value}",
        {
            "blue": "the person who loves blue",
            "brown": "the person who loves brown",
            "purple": "the person who loves purple",
            "white": "the person who loves white",
            "yellow": "the person who loves yellow",
            "green": "the person whose favorite color is green",
        },
    ),
    "nationality": (
        "The people are of nationalities",
        "the {title}",
        {
            "brit": "the British person",
            "chinese": "the Chinese",
            "dane": "the Dane",
            "german": "the German",
            "mexican": "the Mexican",
            "norwegian": "the Norwegian",
        },
    ),
    "lunch": (
        "Everyone has something different for lunch",
        "the person who eats {value}",
        {
            "grilled cheese": "the person who loves eating grilled cheese",
            "pizza": "the person who is a pizza lover",
            "stir fry": "the person who loves stir fry",
            "soup": "the person who loves the soup",
            "spaghetti": "the person who loves the spaghetti eater",
            "stew": "the person who loves the stew",
        },
    ),
    "smoothie": (
        "Everyone has a favorite smoothie",
        "the person with the {value} smoothie",
        {
            "butterscotch": "the Butterscotch smoothie drinker",
            "darkness": "the Darkness smoothie drinker",
            "desert": "the Desert smoothie lover",
            "dragonfruit": "the Dragonfruit smoothie lover",
            "lemon": "the Lemon smoothie lover",
            "life": "the Life smoothie drinker",
        },
    ),
}
LETTERS = {"a": "abcdef", "g": "ghijkl", "m": "mnopqr", "s": "stuvwx"}

SEC_SENTENCES = {
    "at": "{0} is in the {1} house.",
    "same": "{0} is {1}.",
    "directly_left": "{0} is directly left of {1}.",
    "left": "{0} is somewhere to the left of {1}.",
    "next": "{0} and {1} are next to each other.",
    "between": "{0} is somewhere between {1} and {2}.",
    "not_at": "{0} is not in the {1} house.",
    "not_same": "{0} is not {1}.",
    "one_between": "There is one house between {0} and {1}.",
    "two_between": "There are two houses between {0} and {1}.",
}
SENTENCES = {
    "at": "{0} lives in house {1}.",
    "same": "{0} is {1}.",
    "directly_left": "{0} lives directly to the left of {1}.",
    "left": "{0} lives somewhere to the left of {1}.",
    "next": "{0} lives next to {1}.",
    "between": "{0} lives somewhere between {1} and {2}.",
    "not_at": "{0} does not live in house {1}.",
    "not_same": "{0} is not {1}.",
    "one_between": "Exactly one house stands between those of {0} and {1}.",
    "two_between": "Exactly two houses stand between those of {0} and {1}.",
}
SYMBOLS = {
    "at": "{0}={1}",
    "same": "{0}={1}",
    "directly_left": "{0}-{1}",
    "left": "{0}<{1}",
    "next": "{0}~{1}",
    "between": "{1}/{0}/{2}",
    "not_at": "{0}!{1}",
    "not_same": "{0}!{1}",
    "one_between": "{0}_{1}",
    "two_between": "{0}__{1}",
}


def state(clue: Clue, sentences: Mapping[str, str], labels: Sequence[str]) -> str:
    """Return `clue` with the labels of its items, houses last, filled in."""
    named = [labels[item] for item in clue[1:] if item >= 0]
    return sentences[clue.kind].format(*named)


def list_plainly(problem: Problem) -> str:
    """List the values of each attribute."""
    return "\n".join(f" - {name}: {', '.join(row)}" for name, row in problem.attributes)


def list_as_sec(problem: Problem) -> str:
    """List the values of each attribute, introduced as SEC does."""
    return "\n".join(f" - {WORDS[name][0]}: {', '.join(row)}" for name, row in problem.attributes)


def number_clues(problem: Problem, sentences: Mapping[str, str], labels: Sequence[str]) -> str:
    """Return the clues as numbered sentences."""
    stated = [state(clue, sentences, labels) for clue in problem.clues]
    lines = [f"{k}. {text[0].upper()}{text[1:]}" for k, text in enumerate(stated, start=1)]
    return "\n".join(lines)


def clues_plainly(problem: Problem) -> str:
    """State the clues in our words."""
    named = [
        WORDS[name][1].format(value=value, title=value.title())
        for name, row in problem.attributes
        for value in row
    ]
    return number_clues(problem, SENTENCES, [*named, *problem.labels()[len(named) :]])


def clues_as_sec(problem: Problem) -> str:
    """State the clues in the words of SEC."""
    named = [WORDS[name][2][value] for name, row in problem.attributes for value in row]
    return number_clues(problem, SEC_SENTENCES, [*named, *ORDINALS[: problem.num_houses]])


def question_plainly(problem: Problem) -> str:
    """Ask for a value, or for all."""
    if problem.question is None:
        return "Which values are those of each house?"
    attribute, house = problem.question
    return f"What is the {problem.attributes[attribute][0]} of the person in house {house + 1}?"


def question_as_sec(problem: Problem) -> str:
    """Ask for a value in the words of SEC."""
    if problem.question is None:
        return question_plainly(problem)
    name = problem.attributes[problem.question[0]][0].capitalize()
    return f"What is {name} of the person who lives in House {problem.question[1] + 1}?"


def in_symbols(problem: Problem) -> str:
    """Write values, clues and question in the fewest characters."""
    rows = ["".join(row) for _, row in problem.attributes]
    clues = [state(clue, SYMBOLS, problem.labels()) for clue in problem.clues]
    asked = problem.question
    cell = "*" if asked is None else f"{rows[asked[0]]}@{asked[1] + 1}"
    return f"{' '.join(rows)}|{','.join(clues)}|{cell}"


VIEWS: dict[str, Callable[[Problem], str]] = {
    "num_houses": lambda problem: str(problem.num_houses),
    "listing": list_plainly,
    "clues": clues_plainly,
    "question": question_plainly,
    "sec_listing": list_as_sec,
    "sec_clues": clues_as_sec,
    "sec_question": question_as_sec,
    "symbols": in_symbols,
}
