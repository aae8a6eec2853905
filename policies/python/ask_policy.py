"""Asks a policy that is written in Python; questions and replies are those of the sandbox's realm.

Runs beside the policy, in Pyodide or in an interpreter of the user's, on the standard library alone.
Nothing here is trusted by the evaluator: a policy can change all of it, and then harms nobody but
itself.
"""
import json
import linecache
import math
import operator
import sys
import types

MOST_SAFE = 2**53 - 1
MOST_DIGITS = 10**39


class Unread(Exception):
    """The policy reads statistics that were not sent."""


def encode(value):
    """A value as JSON can hold it; `{"$": ...}` stands for what JSON lacks, as in reply_value.ts."""
    if value is None or isinstance(value, bool):
        return value
    if isinstance(value, str):
        return str(value)
    if isinstance(value, float):
        value = float(value)
        if math.isnan(value):
            return {"$": "NaN"}
        if math.isinf(value):
            return {"$": "Infinity" if value > 0 else "-Infinity"}
        return {"$": "-0"} if value == 0 and math.copysign(1, value) < 0 else value
    if isinstance(value, dict):
        for key in value:
            if not isinstance(key, str):
                raise TypeError(f"a key of a dict is a {type(key).__name__}, not a str")
        fields = {key: encode(field) for key, field in value.items()}
        return {"$": "object", "v": fields} if "$" in fields else fields
    if isinstance(value, (list, tuple, range)):
        return [encode(item) for item in value]
    # Integers of any library, NumPy's among them, are the integers they are.
    if hasattr(type(value), "__index__"):
        try:
            whole = operator.index(value)
        except TypeError:
            pass
        else:
            if -MOST_SAFE <= whole <= MOST_SAFE:
                return whole
            return {"$": "bigint", "v": str(max(-MOST_DIGITS, min(MOST_DIGITS, whole)))}
    # Arrays and scalars of any other type.
    if callable(getattr(value, "tolist", None)):
        return encode(value.tolist())
    raise TypeError(f"it returned a {type(value).__name__}; expected plain data")


def answered(value):
    """The answer of a method: one that returns nothing has said nothing."""
    return {"$": "undefined"} if value is None else encode(value)


class Asker:
    """One policy."""

    def __init__(self, text, name, words):
        self.file = f"{name}.py"
        self.words = words
        self.call = []
        self.needed = None
        # Whether there was no memory left.
        self.exhausted = False
        self.text = text
        self.name = name

    def load(self):
        """Runs the file and makes the policy; replies with what it has."""
        try:
            # A file that is called like a module may import that.
            module = types.ModuleType(f"{self.name}_py")
            module.__file__ = self.file
            sys.modules.setdefault(module.__name__, module)
            lines = self.text.splitlines(keepends=True)
            linecache.cache[self.file] = (len(self.text), None, lines, self.file)
            exec(compile(self.text, self.file, "exec"), module.__dict__)
        except BaseException as error:
            return "L" + self.describe(error)
        made = getattr(module, self.words["class"], None)
        if not isinstance(made, type):
            classes = [name for name, value in vars(module).items() if isinstance(value, type)]
            others = [name for name in classes if not name.startswith("_")]
            instead = f"; it has {', '.join(others[:3])}" if others else ""
            return f"Lit has no class {self.words['class']}{instead}"
        self.call = ["Its constructor"]
        try:
            self.policy = made()
            return "A" + json.dumps(self.started())
        except BaseException as error:
            return self.threw(error)

    def started(self):
        policy = self.policy
        has = lambda name: callable(getattr(policy, name, None))
        self.hooks = [name for name in self.words["hooks"] if has(name)]
        missing = [name for name in self.words["required"] if not has(name)]
        fields = [
            name
            for name in self.words["optional"]
            if getattr(policy, name, None) is not None and not has(name)
        ]
        outside = getattr(policy, "outside_budget", False)
        return {
            **({"missing": missing[0]} if missing else {}),
            **({"field": fields[0]} if fields else {}),
            "hooks": self.hooks,
            "calibrates": has("calibrate"),
            "outsideBudget": outside if isinstance(outside, bool) else None,
            "methods": self.methods(),
        }

    def methods(self):
        """Names of its methods; no property is run."""
        names = {}
        for made in (self.policy, *type(self.policy).__mro__):
            if made is object:
                continue
            for name, method in list(getattr(made, "__dict__", {}).items()):
                is_method = callable(method) or isinstance(method, (staticmethod, classmethod))
                if is_method and not isinstance(method, type) and not name.startswith("_"):
                    names[name[: self.words["mostMethods"]]] = True
        return list(names)[: self.words["mostMethods"]]

    def describe(self, error):
        """An error and the last line of the policy's file that led to it."""
        self.exhausted = self.exhausted or isinstance(error, MemoryError)
        try:
            text = str(error).splitlines()
            what = f"{type(error).__name__}: {text[0]}" if text else type(error).__name__
            line = None
            if isinstance(error, SyntaxError):
                what = f"{type(error).__name__}: {error.msg}"
                line = error.lineno
            step = error.__traceback__
            while step is not None:
                if step.tb_frame.f_code.co_filename == self.file:
                    line = step.tb_lineno
                step = step.tb_next
            if line is not None:
                what += f", at line {line}"
            return what + self.words["lacking"] if isinstance(error, ImportError) else what
        except BaseException:
            return "something that cannot be described"

    def threw(self, error):
        name, *given = self.call or ["It"]
        call = f"{name}({', '.join(json.dumps(part) for part in given)})" if given else name
        return "T" + json.dumps([call, self.describe(error)])

    def ask(self, text):
        """Replies to one question: JSON, as text or in UTF-8."""
        self.call = []
        try:
            question = json.loads(text)
            if question["ask"] == "plan":
                return self.plan(question)
            if question["ask"] == "mode":
                self.call = ["calibration_mode"]
                answer = self.policy.calibration_mode(question["workload"], question["budget"])
            else:
                self.call = ["calibrate"]
                answer = self.policy.calibrate(question["samples"])
            return "A" + json.dumps(answered(answer))
        except BaseException as error:
            return self.threw(error)

    def plan(self, question):
        """Rows `[bits, axis, residual, ...hooks]`, or the kind whose statistics are missing."""
        self.needed = None
        try:
            text = "A" + json.dumps(self.rows(question))
        except BaseException as error:
            text = self.threw(error)
        # Even a policy that swallows the error must be asked again, with statistics.
        return text if self.needed is None else f"N{self.needed}"

    def rows(self, question):
        policy, budget, request = self.policy, question["budget"], question["request"]
        rows = []
        for layer in range(budget["layers"]):
            for kind in self.words["kinds"]:
                stats = question["stats"].get(kind)
                bits = []
                for head in range(budget["kv_heads"]):
                    if stats is None:
                        row = unread(self, kind)
                    else:
                        row = dict(zip(self.words["stats"], stats[layer][head]))
                    self.call = ["choose_bits", layer, kind, head]
                    bits.append(encode(policy.choose_bits(layer, kind, head, row, budget)))
                optional = []
                for hook in self.hooks:
                    self.call = [hook, layer, kind]
                    given = (request, budget) if hook == "bit_range" else (request,)
                    optional.append(answered(getattr(policy, hook)(layer, kind, *given)))
                self.call = ["choose_axis", layer, kind]
                axis = answered(policy.choose_axis(layer, kind))
                self.call = ["residual_length", layer]
                residual = answered(policy.residual_length(layer, request))
                rows.append([bits, axis, residual, *optional])
        return rows


def unread(asker, kind):
    """Statistics in place of which an error is raised when they are read, however that is done."""

    def read(*_, **__):
        asker.needed = kind
        raise Unread(f"Statistics of {kind}s are on their way")

    names = "__getitem__ __iter__ __len__ __contains__ __repr__ __eq__ __ne__ __or__ __ror__ "
    names += "__reversed__ get keys values items copy pop"
    return type("TokenStats", (dict,), dict.fromkeys(names.split(), read))()
