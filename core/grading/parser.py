r"""Recursive-descent parser of one expression, in LaTeX or plain notation."""

from __future__ import annotations

from collections.abc import Sequence
from fractions import Fraction

from edgewise.grading.notation import (
    ACCENTS,
    BEGINS,
    CALLED,
    CLOSED_BY,
    CONSTANTS,
    INVERSE,
    LETTERS,
    LISTS,
    PI,
    ROUNDED,
    SERIES,
    absolute,
    is_differential,
    is_numeric,
)
from edgewise.grading.stream import END, Stream
from edgewise.grading.tokens import Token, Unreadable
from edgewise.grading.tree import (
    INFINITY,
    Node,
    call,
    key,
    negate,
    number,
    quotient,
    symbol,
    value_of,
)

MAX_DEPTH = 40


def parse(tokens: Sequence[Token]) -> Node:
    """Parse all of `tokens` as one expression.

    Raises:
        Unreadable: If they are none, or anything is left over.
    """
    parser = Parser(tokens)
    node = parser.fraction_of_sums()
    if parser.next is not END:
        raise Unreadable(f"{parser.next.text!r} is left over")
    return node


class Parser(Stream):
    """A recursive-descent parser over a token stream."""

    def fraction_of_sums(self) -> Node:
        r"""Parse a sum, or two with \over or \choose between them."""
        self.depth += 1
        if self.depth > MAX_DEPTH:
            raise Unreadable("too deep")
        node = self.sum()
        if self.accept(r"\over"):
            node = quotient(node, self.sum())
        elif self.accept(r"\choose"):
            node = call("binomial", node, self.sum())
        self.depth -= 1
        return node

    def sum(self) -> Node:
        """Parse terms with signs between them."""
        terms = [self.term()]
        while self.next.text in ("+", "-"):
            terms.append(self.term())
        return terms[0] if len(terms) == 1 else Node("sum", tuple(terms))

    def term(self) -> Node:
        """Parse a product with an optional sign."""
        if self.accept("-"):
            return negate(self.product())
        self.accept("+")
        return self.product()

    def product(self) -> Node:
        """Parse factors, with or without multiplication signs."""
        start, whole = self.place, self.whole_number()
        node = self.power()
        if whole is not None and self.place == start + 1:
            node = self.mixed(whole) or node
        while True:
            if self.accept("*"):
                node = Node("product", (node, self.factor()))
            elif self.next.text == "/":
                tight = not self.next.spaced
                self.place += 1
                node = quotient(node, self.factor())
                if self.begins_factor() and not (tight and self.next.spaced):
                    raise Unreadable("is what follows divided too?")
            elif self.begins_factor():
                first = self.next
                right = self.power()
                both = is_numeric(node), is_numeric(right)
                if (first.kind == "number" and any(both)) or (all(both) and first.text != "("):
                    raise Unreadable("two numbers side by side")
                factors = node.args if node.op == "product" else (node,)
                node = Node("product", (*factors, right))
            else:
                return node

    def factor(self) -> Node:
        """Parse a power with an optional sign."""
        if self.accept("-"):
            return negate(self.power())
        return self.power()

    def mixed(self, whole: Fraction) -> Node | None:
        r"""Parse the fraction of a mixed number, 1\frac{2}{3} or 1 2/3; None if none follows."""
        after = self.tokens[self.place : self.place + 3]
        if after[0].text == r"\frac":
            start = self.place
            self.place += 1
            node = quotient(self.argument(), self.argument())
            if node.op != "number":
                self.place = start  # a factor
                return None
        elif [token.kind for token in after] == ["number", "sign", "number"] and (
            after[1].text == "/" and after[0].spaced
        ):
            self.place += 3
            node = quotient(number(value_of(after[0].text)), number(value_of(after[2].text)))
        else:
            return None
        if node.op != "number" or not 0 < node.args[0] < 1:
            raise Unreadable("no mixed number")
        return number(whole + node.args[0])

    def begins_factor(self) -> bool:
        """Check whether the next token can start an implicit factor."""
        token = self.next
        if token.text == "|" and self.in_bars:
            return False
        return token.kind in ("letter", "number") or token.text in BEGINS

    def power(self) -> Node:
        """Parse a primary and its postfixes: exponent, primes, index, factorial."""
        node = self.primary()
        while True:
            if self.accept("!"):
                if self.next.text == "!":
                    raise Unreadable("a double factorial")
                node = call("factorial", node)
            elif node.op == "symbol" and self.next.text in ("'", "_"):
                node = self.named(node)
            elif self.accept("°"):
                node = call("degrees", node)
            elif self.accept("^"):
                node = self.superscript(node)
            else:
                return node

    def named(self, node: Node) -> Node:
        """Parse primes or the index of a variable."""
        name = node.args[0]
        if self.accept("'"):
            return symbol(f"{name}'")
        self.expect("_")
        return symbol(f"{name}_{self.text_of_argument()}")

    def superscript(self, node: Node) -> Node:
        """Parse an exponent, a degree sign or primes."""
        texts = [token.text for token in self.tokens[self.place : self.place + 4]]
        for mark in (r"\circ", "'"):
            if texts[:1] == [mark] or texts[:3] == ["{", mark, "}"]:
                self.place += 1 if texts[0] == mark else 3
                return call("degrees", node) if mark == r"\circ" else symbol(f"{key(node)}'")
        exponent = self.exponent()
        if node.op == "symbol" and self.next.text == "_":
            node = self.named(node)
        if self.next.text == "^":
            raise Unreadable("a power of a power without brackets")
        return Node("power", (node, exponent))

    def exponent(self) -> Node:
        """Parse an exponent, braced or bare."""
        if self.accept("-"):
            return negate(self.exponent())
        if self.next.kind == "number":
            self.place += 1
            return number(value_of(self.tokens[self.place - 1].text))
        return self.argument()

    def argument(self) -> Node:
        """Parse the argument of a command: a group, or one digit, letter or command."""
        token = self.next
        if token.kind == "number":
            if not token.text.isdigit():
                raise Unreadable("a decimal without braces")
            rest = token.text[1:]
            if rest:
                self.tokens[self.place] = Token("number", rest)
            else:
                self.place += 1
            return number(int(token.text[0]))
        return self.primary()

    def group(self, closing: str) -> Node:
        """Parse up to the bracket `closing`."""
        outer, self.in_bars = self.in_bars, closing == "|"
        node = self.fraction_of_sums()
        self.expect(closing)
        self.in_bars = outer
        return node

    def primary(self) -> Node:
        """Parse a number, a variable, a function or a group."""
        token = self.next
        if token is END:
            raise Unreadable("nothing")
        self.place += 1
        if token.kind == "number":
            return number(value_of(token.text))
        if token.kind == "letter" or (token.kind == "word" and len(token.text) == 1):
            return self.variable(token.text)
        if token.text in CLOSED_BY and token.text != r"\{":
            return self.group(CLOSED_BY[token.text])
        if token.text == "|":
            return absolute(self.group("|"))
        if token.kind == "command":
            return self.command(token.text)
        raise Unreadable(f"{token.text!r} is not expected")

    def variable(self, letter: str) -> Node:
        """Return a variable, a constant, or a function value such as f(0)."""
        if letter in CONSTANTS and self.next.text != "_":
            return CONSTANTS[letter]
        kinds = [token.kind for token in self.tokens[self.place : self.place + 3]]
        if kinds[1:2] == ["number"] and self.next.text == "(":
            at, close = self.tokens[self.place + 1 : self.place + 3]
            if close.text == ")":
                self.place += 3
                return symbol(f"{letter}({at.text})")
        return symbol(letter)

    def command(self, name: str) -> Node:
        """Parse a command and its arguments."""
        if name == r"\pi":
            return PI
        if name == r"\infty":
            return INFINITY
        if name in LETTERS:
            return symbol(name)
        if name == r"\frac":
            return self.fraction()
        if name == r"\sqrt":
            return self.root()
        if name == r"\binom":
            return call("binomial", self.argument(), self.argument())
        if name in ROUNDED:
            closing, function = ROUNDED[name]
            return call(function, self.group(closing))
        if name in ACCENTS:
            return symbol(f"{name} {self.letters_of_argument()}")
        if name in SERIES:
            return self.series(name)
        if name.startswith(r"\begin"):
            return self.matrix(name[7:-1])
        if name in CALLED:
            return self.function(name[1:])
        raise Unreadable(f"{name} is not known")

    def fraction(self) -> Node:
        """Parse a fraction or a derivative."""
        start = self.place
        top, middle = self.argument(), self.place
        bottom = self.argument()
        parts = self.tokens[start:middle], self.tokens[middle : self.place]
        if all(is_differential(part) for part in parts):
            return symbol("/".join("".join(token.text for token in part) for part in parts))
        return quotient(top, bottom)

    def root(self) -> Node:
        """Parse a root with an optional degree."""
        degree = self.group("]") if self.accept("[") else number(2)
        token = self.next
        if token.kind == "number":
            self.place += 1
            return call("root", number(value_of(token.text)), degree)
        return call("root", self.argument(), degree)

    def function(self, name: str) -> Node:
        """Parse a function with its exponent and arguments."""
        base = None
        if self.accept("_"):
            if name != "log":
                raise Unreadable(f"{name} has no index")
            base = self.argument() if self.next.text == "{" else self.exponent()
        exponent = None
        if self.next.text == "^":
            self.place += 1
            exponent = self.exponent()
        if exponent == number(-1):
            if name not in INVERSE:
                raise Unreadable("an inverse or a power?")
            name, exponent = INVERSE[name], None
        node = self.applied(name)
        if base is not None:
            node = call("log", node.args[1], base)
        return node if exponent is None else Node("power", (node, exponent))

    def applied(self, name: str) -> Node:
        """Parse function arguments, in brackets or as an implicit product."""
        if name in LISTS:
            opening = self.next.text
            if not self.accept("(", r"\{"):
                raise Unreadable(f"{name} of what?")
            args = [self.fraction_of_sums()]
            while self.accept(","):
                args.append(self.fraction_of_sums())
            self.expect(CLOSED_BY[opening])
            return call(name, *args)
        if self.next.text in ("(", "{", "["):
            return call(name, self.primary())
        sign = self.accept("-")
        factors = [self.power()]
        while self.begins_factor() and self.next.text not in CALLED | {"(", "{", "[", "|"}:
            if self.next.kind == "number":
                raise Unreadable("two numbers side by side")
            factors.append(self.power())
        node = factors[0] if len(factors) == 1 else Node("product", tuple(factors))
        return call(name, negate(node) if sign else node)

    def series(self, name: str) -> Node:
        """Parse a sum or product over an index as one opaque symbol."""
        self.expect("_")
        low = self.text_of_argument()
        self.expect("^")
        high = key(self.exponent())
        return symbol(f"{name}_{low}^{high} {key(self.product())}")

    def matrix(self, kind: str) -> Node:
        """Parse the rows of a matrix or determinant."""
        rows = [[self.fraction_of_sums()]]
        while not self.accept(rf"\end{{{kind}}}"):
            if self.accept(r"\\"):
                if self.next.text == rf"\end{{{kind}}}":
                    continue
                rows.append([self.fraction_of_sums()])
            else:
                self.expect("&")
                rows[-1].append(self.fraction_of_sums())
        if len({len(row) for row in rows}) > 1:
            raise Unreadable("rows of unequal length")
        node = Node("matrix", (len(rows[0]), *(entry for row in rows for entry in row)))
        return call("determinant", node) if kind == "vmatrix" else node
