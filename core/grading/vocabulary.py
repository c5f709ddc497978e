"""Word lists: units, months, joiners, and words that are no units."""

from __future__ import annotations


def listed(words: str) -> list[str]:
    """Split a text into words."""
    return words.split()


UNIT_NAMES = {
    "cm": "centimeter centimeters centimetre centimetres cms", "m": "meter meters metre metres",
    "km": "kilometer kilometers kilometre kilometres kms", "mm": "millimeter millimeters millimetre millimetres",
    "nm": "nanometer nanometers", "in": "inch inches ins", "ft": "foot feet", "yd": "yard yards yds",
    "mi": "mile miles", "s": "sec secs second seconds", "min": "mins minute minutes",
    "h": "hr hrs hour hours", "day": "days", "week": "weeks wk wks", "month": "months", "yr": "year years yrs",
    "g": "gram grams gm gms gramme grammes", "kg": "kilogram kilograms kgs kilo kilos",
    "mg": "milligram milligrams", "lb": "lbs pound pounds", "oz": "ounce ounces", "ton": "tons tonne tonnes",
    "l": "liter liters litre litres L", "ml": "milliliter milliliters millilitre millilitres mL",
    "gal": "gallon gallons", "qt": "quart quarts", "pint": "pints", "cup": "cups", "acre": "acres",
    "$": "dollar dollars usd bucks", "cent": "cents", "€": "euro euros eur", "£": "gbp",
    "unit": "units", "deg": "degree degrees", "rad": "radian radians",
    "point": "points pt pts", "person": "people persons", "N": "newton newtons", "J": "joule joules",
    "W": "watt watts", "V": "volt volts", "Hz": "hertz hz", "Pa": "pascal pascals", "mol": "mole moles",
    "K": "kelvin kelvins", "A": "ampere amperes amp amps", "ohm": "ohms", "kW": "kilowatt kilowatts kw",
    "kJ": "kilojoule kilojoules kj", "eV": "ev electronvolt electronvolts", "atm": "atmosphere atmospheres",
}  # fmt: skip
UNITS = {name: short for short, names in UNIT_NAMES.items() for name in (short, *names.split())}
LETTER_UNITS = frozenset(short for short in UNIT_NAMES if len(short) == 1)
COMPOUND_UNITS = {
    "mph": (("h", -1), ("mi", 1)),
    "kph": (("h", -1), ("km", 1)),
    "kmh": (("h", -1), ("km", 1)),
    "fps": (("ft", 1), ("s", -1)),
}
PERCENT = frozenset({"percent", "pct", "percents"})
MONTHS = {
    name: number
    for number, names in enumerate(
        [
            "january jan",
            "february feb",
            "march mar",
            "april apr",
            "may",
            "june jun",
            "july jul",
            "august aug",
            "september sep sept",
            "october oct",
            "november nov",
            "december dec",
        ],
        start=1,
    )
    for name in names.split()
}
NUMBER_WORDS = {
    name: number
    for number, name in enumerate(
        listed(
            "zero one two three four five six seven eight nine ten eleven twelve thirteen fourteen "
            "fifteen sixteen"
        )
    )
}
POWER_WORDS = {"square": 2, "sq": 2, "squared": 2, "cubic": 3, "cu": 3, "cubed": 3}
JOINERS = frozenset({"and", "or"})
LEADING = frozenset({"only", "a", "an", "the"})  # say nothing
NO_UNITS = frozenset(
    listed(
        "and or not nor but xor else otherwise if unless except without then than of to from by "
        "with is are was were be been isnt no none never maybe perhaps possibly probably likely "
        "either neither both between about around approximately approx roughly nearly almost "
        "circa exactly more less fewer greater smaller larger least most max min maximum minimum "
        "over under above below up down plus minus times divided multiplied mod modulo root power "
        "factorial squared cubed half halves third thirds fourth fourths quarter quarters fifth "
        "fifths sixth sixths seventh sevenths eighth eighths ninth ninths tenth tenths eleventh "
        "twelfth hundredth hundredths thousandth thousandths millionth millionths ten tens "
        "hundred hundreds thousand thousands million millions billion billions trillion trillions "
        "dozen dozens score k double triple twice thrice negative positive wrong false incorrect "
        "true correct impossible undefined remainder base point each per another other second "
        "what which where when while because so thus hence"
    )
) | frozenset(NUMBER_WORDS)  # fmt: skip
THINGS = frozenset(  # that are counted, without a final s
    listed(
        """
        acorn adult album alligator animal ant antacid apartment apple arrangement article babie bag
        bale ball balloon banana bandage bar barrel basket basketball batche bead bear bed bee
        berrie bicycle bike bill bird biscuit block blueberrie bolt bone book bottle bouquet bowl
        boxe boy bracelet branche brick brother brownie bucket bug bulb bundle burger buse bushel
        button cake calorie can candie candle cap car card carriage carrot carton cat chair chapter
        cherrie chicken children chip chocolate choice circle classe classmate coconut coin color
        computer container cookie copie counted countrie cow crab cracker crate crayon cricket crow
        cupcake customer daisie decoration diagonal digit dime dishe divisor dog doll donut
        doughnut dresse duck duckling ear earring edge egg element elephant email employee envelope
        episode eraser eye face familie feather female firework flea flie flight floor flower
        flyer follower frie friend frog fruit game gift girl glasse gnome goal goat grape guest
        gumball guppie hamburger hand handshake hat head hectare hen hole home horse hotdog house
        insect integer item jar jellybean jump kernel kid kitten knive leave leg lego lemon lesson
        letter lion lizard loave log lollipop magazine male mangoe marble mark marker
        marshmallow mask matchstick meal member men message mice milkshake movie muffin
        mushroom nail necklace newspaper nickel night notebook number nut object onion option orange
        oyster pack package packet page painting pan pancake paper parent
        participant passenger pastrie patient peache pear pebble pen pencil pennie people pepper pet
        petal phone photo picture pie piece pig pigeon pill pin pizza place plank plant plate player
        pointer possibilitie poster pot potatoe problem pup puppie question rabbit rat
        rectangle ride ring rock roll room rose row sack sandwiche scoop
        seashell season seat section seed segment senior sentence serving shark sheet shell shirt
        shoe shot sibling side sister situp skip skirt slice snail snake sock soda solution son song
        space spider spool spoon stair stamp star step stick sticker stitche storie strawberrie
        street string stripe student suit surfer sweater sweet table tablespoon tadpole teacher team
        teaspoon test ticket tile tin tire toddler token tomatoe towel toy train tray
        tree triangle truck tub tulip turtle twig value vampire vegetable vehicle vertice visitor
        vote wall watermelon way wheel widget window women word worker worm
        murmeln canica bille biglie manzana pomme libro livre bücher eier huevo personen personne schüler
        """
    )
)
FUNCTIONS = {
    name: name
    for name in listed(
        "sin cos tan cot sec csc sinh cosh tanh coth arcsin arccos arctan ln log exp max min gcd "
        "lcm cis"
    )
} | {
    "asin": "arcsin", "acos": "arccos", "atan": "arctan", "tg": "tan", "ctg": "cot", "cosec": "csc",
    "arctg": "arctan", "lg": "lg", "arsinh": "arcsinh", "abs": "absolute", "floor": "floor",
    "ceil": "ceiling", "ceiling": "ceiling",
}  # fmt: skip
GREEK = frozenset(
    listed(
        "alpha beta gamma delta epsilon varepsilon zeta eta theta vartheta iota kappa lambda mu "
        "nu xi rho sigma tau upsilon phi varphi chi psi omega Gamma Delta Theta Lambda Xi Sigma "
        "Phi Psi Omega"
    )
)
SPELLED = {"pi": r"\pi", "infty": r"\infty", "infinity": r"\infty", "sqrt": r"\sqrt", "inf": r"\infty"} | {
    name: rf"\{name}" for name in GREEK if len(name) > 2
}  # fmt: skip
VOWELS = frozenset("aeiouy")


def is_word(run: str) -> bool:
    """Decide whether adjacent letters are a word rather than a product.

    >>> [is_word(run) for run in ("people", "bolts", "abcd", "xyz", "RC", "SRMC")]
    [True, True, False, False, False, False]
    """
    if run.isupper() or len(run) < 3 or run == "".join(sorted(set(run))):
        return False
    return bool(VOWELS & set(run.lower())) and len(set(run)) > 1
