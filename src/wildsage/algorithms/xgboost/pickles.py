"""Reading the pickles of old containers without executing anything.

A pickle is a program for a small stack machine. `read` runs the part of it that makes values (numbers, texts, bytes,
lists, dictionaries). Where it would look up a name or call something, the result is a `Call` that only notes what
was asked for: nothing is imported, no constructor runs.
"""

import pickletools
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, Final

_MARK: Final = object()


class PickleError(ValueError):
    """Not a pickle, or one of a kind that models never are."""


@dataclass(eq=False, slots=True)
class Call:
    """What a pickle asks for: a name, or a call of one, and the state it sets.

    Attributes
    ----------
    name
        ``module.name``.
    arguments
        None: the name itself.
    """

    name: str
    arguments: Any = None
    state: Any = None


@dataclass(slots=True)
class _Machine:
    stack: list[Any] = field(default_factory=list)
    memo: dict[int, Any] = field(default_factory=dict)

    def pop_marked(self) -> list[Any]:
        for place in range(len(self.stack) - 1, -1, -1):
            if self.stack[place] is _MARK:
                found = self.stack[place + 1 :]
                del self.stack[place:]
                return found
        raise PickleError("a mark is missing")


def read(data: bytes) -> Any:
    """Return what a pickle holds.

    Raises
    ------
    PickleError
        If it is malformed.
    """
    machine = _Machine()
    try:
        for opcode, argument, _ in pickletools.genops(data):
            if opcode.name == "STOP":
                return machine.stack.pop()
            _STEPS.get(opcode.name, _push)(machine, argument)
    except (
        ValueError,
        IndexError,
        KeyError,
        TypeError,
        AttributeError,
        UnicodeError,
        RecursionError,
    ) as error:
        raise PickleError(str(error)) from error
    raise PickleError("it has no end")


def find(value: Any, name: str) -> Call | None:
    """Return the first object of a class, in a value, its state, or what either holds."""
    seen: set[int] = set()
    waiting = [value]
    while waiting:
        one = waiting.pop()
        if id(one) in seen:
            continue
        seen.add(id(one))
        if isinstance(one, Call):
            if one.name == name and one.arguments is not None:
                return one
            waiting += [one.state, one.arguments]
        elif isinstance(one, Mapping):
            waiting += one.values()
        elif isinstance(one, list | tuple):
            waiting += one
    return None


def as_bytes(value: Any) -> bytes | None:
    """Return bytes, also those of a ``bytearray`` as protocols before 5 write it; None for anything else."""
    if isinstance(value, bytes | bytearray):
        return bytes(value)
    if isinstance(value, Call) and value.name in {"builtins.bytearray", "__builtin__.bytearray"}:
        return _encoded(value.arguments)
    if isinstance(value, Call) and value.name == "_codecs.encode":
        return _encoded(value.arguments)
    return None


def _encoded(arguments: Any) -> bytes | None:
    if not isinstance(arguments, tuple) or not arguments:
        return b""
    first = arguments[0]
    # Protocol 2 has no bytes: they are text and the name of its encoding.
    return first.encode("latin-1") if isinstance(first, str) else as_bytes(first)


def _push(machine: _Machine, argument: Any) -> None:
    machine.stack.append(argument)


def _empty(kind: type[Any]) -> Callable[[_Machine, Any], None]:
    return lambda machine, _: machine.stack.append(kind())


def _constant(value: Any) -> Callable[[_Machine, Any], None]:
    return lambda machine, _: machine.stack.append(value)


def _tuple(count: int) -> Callable[[_Machine, Any], None]:
    def step(machine: _Machine, _argument: Any) -> None:
        found = tuple(machine.stack[-count:])
        del machine.stack[-count:]
        machine.stack.append(found)

    return step


def _marked(kind: Callable[[list[Any]], Any]) -> Callable[[_Machine, Any], None]:
    return lambda machine, _: machine.stack.append(kind(machine.pop_marked()))


def _set_item(machine: _Machine, _argument: Any) -> None:
    value, key = machine.stack.pop(), machine.stack.pop()
    _fill(machine.stack[-1], [key, value])


def _set_items(machine: _Machine, _argument: Any) -> None:
    found = machine.pop_marked()
    _fill(machine.stack[-1], found)


def _fill(target: Any, flat: list[Any]) -> None:
    if isinstance(target, dict):  # an object that notes calls only takes none
        target.update(
            (key, value) for key, value in zip(flat[::2], flat[1::2], strict=True) if _hashable(key)
        )


def _hashable(key: Any) -> bool:
    return isinstance(key, str | bytes | int | float | bool | None)


def _append(machine: _Machine, _argument: Any) -> None:
    value = machine.stack.pop()
    if isinstance(machine.stack[-1], list):
        machine.stack[-1].append(value)


def _appends(machine: _Machine, _argument: Any) -> None:
    found = machine.pop_marked()
    if isinstance(machine.stack[-1], list):
        machine.stack[-1].extend(found)


def _global(machine: _Machine, argument: str) -> None:
    machine.stack.append(Call(argument.replace(" ", ".", 1)))


def _stack_global(machine: _Machine, _argument: Any) -> None:
    name, module = machine.stack.pop(), machine.stack.pop()
    machine.stack.append(Call(f"{module}.{name}"))


def _call(machine: _Machine, _argument: Any) -> None:
    """REDUCE and NEWOBJ: what is called and its arguments are the two uppermost values."""
    arguments, target = machine.stack.pop(), machine.stack.pop()
    machine.stack.append(_called(target, arguments))


def _call_with_names(machine: _Machine, _argument: Any) -> None:
    machine.stack.pop()
    _call(machine, None)


def _called(target: Any, arguments: Any) -> Call:
    name = target.name if isinstance(target, Call) else type(target).__name__
    if name in {"copyreg._reconstructor", "copy_reg._reconstructor"}:
        inner = arguments[0]
        return Call(inner.name if isinstance(inner, Call) else name, arguments)
    return Call(name, arguments)


def _inst(machine: _Machine, argument: str) -> None:
    found = machine.pop_marked()
    machine.stack.append(Call(argument.replace(" ", ".", 1), tuple(found)))


def _obj(machine: _Machine, _argument: Any) -> None:
    target, *arguments = machine.pop_marked()
    machine.stack.append(_called(target, tuple(arguments)))


def _build(machine: _Machine, _argument: Any) -> None:
    state = machine.stack.pop()
    if isinstance(machine.stack[-1], Call):
        machine.stack[-1].state = state


def _put(machine: _Machine, argument: int) -> None:
    machine.memo[int(argument)] = machine.stack[-1]


def _memoize(machine: _Machine, _argument: Any) -> None:
    machine.memo[len(machine.memo)] = machine.stack[-1]


def _get(machine: _Machine, argument: int) -> None:
    machine.stack.append(machine.memo[int(argument)])


def _nothing(machine: _Machine, argument: Any) -> None:
    del machine, argument


def _pop(machine: _Machine, _argument: Any) -> None:
    machine.stack.pop()


def _drop_marked(machine: _Machine, _argument: Any) -> None:
    machine.pop_marked()


def _duplicate(machine: _Machine, _argument: Any) -> None:
    machine.stack.append(machine.stack[-1])


def _refused(_machine: _Machine, _argument: Any) -> None:
    raise PickleError("it refers to objects outside of it")


_STEPS: Final[Mapping[str, Callable[[_Machine, Any], None]]] = {
    "PROTO": _nothing,
    "FRAME": _nothing,
    "READONLY_BUFFER": _nothing,
    "MARK": _constant(_MARK),
    "POP": _pop,
    "POP_MARK": _drop_marked,
    "DUP": _duplicate,
    "NONE": _constant(None),
    "NEWTRUE": _constant(True),
    "NEWFALSE": _constant(False),
    "EMPTY_TUPLE": _empty(tuple),
    "EMPTY_LIST": _empty(list),
    "EMPTY_DICT": _empty(dict),
    "EMPTY_SET": _empty(list),
    "TUPLE1": _tuple(1),
    "TUPLE2": _tuple(2),
    "TUPLE3": _tuple(3),
    "TUPLE": _marked(tuple),
    "LIST": _marked(list),
    "FROZENSET": _marked(list),
    "DICT": _marked(lambda flat: dict(zip(flat[::2], flat[1::2], strict=True))),
    "SETITEM": _set_item,
    "SETITEMS": _set_items,
    "ADDITEMS": _appends,
    "APPEND": _append,
    "APPENDS": _appends,
    "GLOBAL": _global,
    "STACK_GLOBAL": _stack_global,
    "REDUCE": _call,
    "NEWOBJ": _call,
    "NEWOBJ_EX": _call_with_names,
    "INST": _inst,
    "OBJ": _obj,
    "BUILD": _build,
    "PUT": _put,
    "BINPUT": _put,
    "LONG_BINPUT": _put,
    "MEMOIZE": _memoize,
    "GET": _get,
    "BINGET": _get,
    "LONG_BINGET": _get,
    "PERSID": _refused,
    "BINPERSID": _refused,
    "EXT1": _refused,
    "EXT2": _refused,
    "EXT4": _refused,
    "NEXT_BUFFER": _refused,
}
"""What is not here pushes its argument: numbers, texts, bytes."""
