# SPDX-License-Identifier: GPL-2.0
"""What `rdma` printed, without what differs from one boot to the next.

The numbers of objects and processes differ. So an object is known by its other fields,
by the objects that it refers to, and by those that refer to it. This is colour
refinement: in each round the colour of a node takes in those of its neighbours.
Objects of one colour get one name, so two captures of one state have the same lines.

The order of a list is compared, too: its lines are in that order, and a line says where
the numbers do not ascend. Where something moves, lines say only what holds all the same:
which of the objects that were there all the time are listed, once and in order.
"""

import hashlib
import itertools
import json
import re
from collections import Counter, defaultdict
from collections.abc import Hashable, Iterable, Iterator, Mapping, Sequence
from typing import Any

Object = dict[str, Any]     # as rdma describes it in JSON
Place = Sequence[Any]       # device, port and number of an object

# For each type, the field with an object's own number.
OWN = {"qp": "lqpn", "cm_id": "cm-idn", "cq": "cqn", "mr": "mrn", "pd": "pdn",
       "ctx": "ctxn", "srq": "srqn"}
# Fields with the number of another object, and the type of that.
REFERENCES = {"pdn": "pd", "cqn": "cq", "ctxn": "ctx", "lqpn": "qp", "rqpn": "qp", "pid": "process"}

# Fields with random values: only whether they are there is compared.
RANDOM = {"rq-psn", "sq-psn", "rkey", "lkey", "local_dma_lkey", "unsafe_global_rkey"}
# For a region of the kernel, that of its last use.
LENGTH = "mrlen"
# Ports from here on are chosen by the kernel.
EPHEMERAL = 32768
# QPs that have the same number on every device.
SPECIAL_QPS = {"GSI", "SMI"}

# Fields of links, devices and statistics that are counted or numbered.
COUNTED = re.compile(r".*_(pkts|bytes|request|err|deferred|sends|recvs|downed)$")
INDICES = {"ifindex", "netdev_index", "node_guid", "sys_image_guid"}

ROUNDS = 8      # of colour refinement

BROKEN = 2      # objects of a list that broken() breaks
NOBODY = 4194304    # more than any process has

# They begin a line that is a mistake: of either side, or one that the C tracker may make.
WRONG, MAY = "wrong: ", "may be: "


class _Node:
    def __init__(self, type_: str, words: list[str]) -> None:
        self.type = type_
        self.words = words          # its other fields, sorted
        self.edges: list[tuple[str, _Node | str]] = []      # by field
        self.back: list[tuple[str, _Node]] = []             # by type and field
        self.colour = ""

    def mix(self) -> str:
        """Its colour after one more round."""
        there = sorted((field, other.colour if isinstance(other, _Node) else other)
                       for field, other in self.edges)
        back = sorted((how, other.colour) for how, other in self.back)
        return _hash((self.type, self.words, self.colour, there, back))


def _hash(value: object) -> str:
    return hashlib.sha256(json.dumps(value).encode()).hexdigest()[:16]


def _runs(lines: Iterable[str]) -> list[str]:
    """The lines, equal neighbours as one with their number."""
    return [f"{len(list(same))}x {line}" for line, same in itertools.groupby(lines)]


def _ascending(numbers: Iterable[Any]) -> bool:
    return all(first < second for first, second in itertools.pairwise(numbers))


def _literal(field: str, value: Any) -> str:
    if field in INDICES:
        return "n"
    if field in RANDOM:
        return "0" if str(value) == "0" else "n"
    if field in ("src-addr", "dst-addr"):
        address, _, port = value.rpartition(":")
        return f"{address}:{'ephemeral' if int(port) >= EPHEMERAL else port}"
    return json.dumps(value).strip('"')


class _Graph:
    """The objects of all lists, and what they refer to."""

    def __init__(self, lists: Mapping[str, list[Object]], threads: Mapping[str, int],
                 free: bool = False) -> None:
        self.nodes: list[_Node] = []
        self.free = free                        # the order says nothing
        self.threads = threads                  # and their processes
        # By type and number, the device and the node.
        self.by_number: dict[tuple[str, Any], list[tuple[str | None, _Node]]] = defaultdict(list)
        pending = []
        for type_, objects in lists.items():
            for one in objects:
                pending.append((self._object(type_, one), one))
        for node, one in pending:
            self._connect(node, one)
        for _ in range(ROUNDS):
            for node, colour in [(n, n.mix()) for n in self.nodes]:
                node.colour = colour
        self._name()

    def _object(self, type_: str, one: Object) -> _Node:
        special = type_ == "qp" and one.get("type") in SPECIAL_QPS
        if LENGTH in one and "pid" not in one and "pdn" not in one:
            one = one | {LENGTH: "n"}
        words = sorted(
            f"{field}={_literal(field, value) if special or field != OWN[type_] else 'n'}"
            for field, value in one.items()
            if field == OWN[type_] or field not in REFERENCES)
        node = _Node(type_, words)
        self.nodes.append(node)
        # Single numbers, or ranges.
        node.words += [f"{field}-parts=" + "".join("r" if "-" in str(part) else "1"
                                                   for part in value)
                       for field, value in sorted(one.items()) if field in REFERENCES
                       and field != OWN[type_] and isinstance(value, list)]
        number = one.get(OWN[type_])
        if not isinstance(number, list):
            self.by_number[type_, number].append((one.get("ifname"), node))
        return node

    def _connect(self, node: _Node, one: Object) -> None:
        for field, value in one.items():
            if field not in REFERENCES or field == OWN[node.type]:
                continue
            for number in _numbers(value):
                other = self._find(REFERENCES[field], number, one)
                node.edges.append((field, other))
                if isinstance(other, _Node):
                    other.back.append((f"{node.type}.{field}", node))

    def _find(self, type_: str, number: Any, one: Object) -> _Node | str:
        if type_ == "process":
            number = self.threads.get(str(number), number)
        found = self.by_number[type_, number]
        if type_ == "process" and not found:
            node = _Node(type_, [f"comm={one.get('comm')}"])
            self.nodes.append(node)
            found.append((None, node))
        here = [node for device, node in found if type_ == "process" or device == one.get("ifname")]
        # The other end of a connection may be on another device.
        here = here or [node for _, node in found]
        return here[0] if here else "0" if number == 0 else "not-listed"

    def _name(self) -> None:
        """Gives names to colours: the type and a number."""
        self.names: dict[Hashable, str] = {}
        numbers: Counter[str] = Counter()
        # Objects are in the order of the lists, then come processes.
        for node in sorted(self.nodes, key=lambda n: n.colour) if self.free else self.nodes:
            if self._kind(node) not in self.names:
                numbers[node.type] += 1
                self.names[self._kind(node)] = f"{node.type}.{numbers[node.type]}"

    def _kind(self, node: _Node) -> Hashable:
        """What has a name: a colour, or a process, of which each has its own."""
        return node if node.type == "process" and not self.free else node.colour

    def _line(self, node: _Node) -> str:
        edges = Counter((field, self.names[self._kind(to)] if isinstance(to, _Node) else to)
                        for field, to in node.edges)
        words = node.words + sorted(f"{field}={n}x{to}" if n > 1 else f"{field}={to}"
                                    for (field, to), n in edges.items())
        return f"{self.names[self._kind(node)]} {' '.join(words)}"

    def lines(self, type_: str) -> list[str]:
        """The objects of that type in their order, equal neighbours as one line."""
        lines = [self._line(node) for node in self.nodes if node.type == type_]
        return _runs(sorted(lines) if self.free else lines)


def _disorder(type_: str, objects: list[Object]) -> Iterator[str]:
    """A line for each device and port whose numbers do not ascend."""
    numbers = defaultdict(list)
    for one in objects:
        # rdma asks for what has no port first, then for each port. Special QPs have the
        # same numbers on all ports and come last.
        last = type_ == "qp" and one.get("type") in SPECIAL_QPS
        if OWN[type_] in one:
            numbers[one.get("ifname"), one.get("port")].append((last, one[OWN[type_]]))
        for field, value in one.items():
            if field in REFERENCES and isinstance(value, list) \
                    and not _ascending(list(_numbers(value))):
                yield f"{WRONG}{field} of a {type_} does not ascend"
    for (device, port), listed in numbers.items():
        if not _ascending(listed):
            yield f"{WRONG}{device}/{port} does not ascend"


def _numbers(value: Any) -> Iterator[int]:
    """The numbers in a field, which may have several, and ranges."""
    for part in value if isinstance(value, list) else [value]:
        first, _, last = str(part).partition("-")
        yield from range(int(first), int(last or first) + 1)


def _plain(answer: Any) -> list[str]:
    """The lines of an answer that is not a list of objects."""
    if answer is None:
        return ["(nothing)"]
    if not isinstance(answer, list):
        return str(answer).splitlines()
    lines = []
    for one in answer:
        place = "/".join(str(one[key]) for key in ("ifname", "port") if key in one)
        for field, value in one.items():
            if field in ("ifname", "port"):
                continue
            if field in INDICES or COUNTED.match(field):
                value = "n"
            if isinstance(value, list):
                value = " ".join(map(str, value))
            lines.append(f"{place} {field}={value}")
    return lines


_LIST = re.compile(r"resource show (\w+)$")


def _answers(said: Iterable[Sequence[Any]], ask: str, threads: Mapping[str, int],
             free: bool) -> Iterator[str]:
    """The lines of the answers of one run of rdma."""
    said = [tuple(pair) for pair in said]
    lists = {m[1]: answer for command, answer in said
             if (m := _LIST.match(command)) and m[1] in OWN and isinstance(answer, list)}
    graph = _Graph(lists, threads, free)
    of_threads = sum(str(one.get("pid")) in threads
                     for objects in lists.values() for one in objects)
    if of_threads:
        yield f"{ask} owners: {of_threads} objects show the number of a thread"
    for command, answer in said:
        match = _LIST.match(command)
        if match and match[1] in lists:
            lines = graph.lines(match[1]) + list(_disorder(match[1], answer))
        elif command in ("errors", "code"):
            lines = [str(answer)] if answer else []
        else:
            lines = _plain(answer)
        for line in lines:
            yield f"{ask} {command}: {line}"


# Attributes of netlink with numbers of objects, or random values.
_NUMBERED = {1, 21, 22, 23, 24, 28, 42, 43, 60, 61, 62, 63, 64, 90}
_ADDRESSES = {33, 34}       # the kernel may choose the port
_QPS = 19                   # numbers and ranges of numbers
_KEYS = {48, 49}
_LENGTH, _KERNEL_OWNER = 45, 29


def _singles(said: Iterable[Sequence[Any]]) -> list[str]:
    """The lines of answers about one object each, with how often each came."""
    lines: Counter[str] = Counter()
    for what, answer in said:
        if isinstance(answer, list):
            words = []
            of_kernel = any(number == _KERNEL_OWNER for number, _ in answer)
            for number, value in answer:
                if number in _NUMBERED or number == _QPS or number == _LENGTH and of_kernel:
                    value = "n"
                elif number in _KEYS:
                    value = "n" if value else "0"
                elif number in _ADDRESSES and int(value[4:8], 16) >= EPHEMERAL:
                    value = value[:4] + "port" + value[8:]
                words.append(f"{number}={value}")
            answer = " ".join(words)
        lines[f"{what}: {answer}"] += 1
    return [f"by number {n}x {line}" for line, n in sorted(lines.items())]


def _covered(held: Sequence[Place], shown: Sequence[Place]) -> Iterator[str]:
    """What holds for a list in which objects came and went: how many of those that were
    there all the time are listed, whether any is listed twice, and the order."""
    times = Counter(map(tuple, shown))
    missing = sum(not times[tuple(one)] for one in held)
    twice = sum(n > 1 for n in times.values())
    yield f"{len(held) - missing} of {len(held)} held"
    if twice:
        yield f"{WRONG}{twice} twice"
    for place, of_place in itertools.groupby(sorted(
            enumerate(shown), key=lambda pair: (pair[1][:-1], pair[0])),
            key=lambda pair: pair[1][:-1]):
        if not _ascending([one[-1] for _, one in of_place]):
            yield f"{WRONG}{'/'.join(map(str, place))} does not ascend"


def _churn(said: Object) -> list[str]:
    """The lines of a command that was given many times while objects came and went."""
    lines: Counter[str] = Counter()
    for run in said["runs"]:
        parts = [([one for one in said["held"] if _of_port(one, said) is of_port],
                  [one for one in run["shown"] if _of_port(one, said) is of_port])
                 for of_port in (False, True)]
        words = [f"code={run['code']}", f"errors={run['errors']}", run["form"],
                 f"devices={','.join(run['devices'])}", *_covered(*parts[0])]
        lines["; ".join(words)] += 1
        words = list(_covered(*parts[1]))
        if words != list(_covered(parts[1][0], parts[1][0])):
            lines[f"{MAY}QPs of ports: {'; '.join(words)}"] += 1
    return [f"churn {said['command']}: {n}x {line}" for line, n in sorted(lines.items())]


def _of_port(one: Place, said: Object) -> bool:
    """Returns true for a special QP, which comes last. The C tracker counts how many objects
    a dump has come to, so it shows what follows twice or not at all when one of those
    before it has come or gone."""
    return said["command"] == "resource show qp" and one[1:] in ([1, 0], [1, 1])


def _dump(said: Object) -> list[str]:
    """The lines of a dump that was read in parts."""
    times = {part: sum(number in said["shown"] for number in said[part])
             for part in ("went", "came")}
    # All have one place.
    words = [*_covered([[n] for n in said["held"]], [[n] for n in said["shown"]]),
             *(f"{n} of {len(said[part])} that {part}" for part, n in times.items()),
             *(["interrupted"] if said["interrupted"] else []), f"end={said['end']}"]
    return [f"dump {said['what']}: {'; '.join(words)}"]


def lines(capture: Object) -> list[str]:
    """The lines of a capture that the guest has written."""
    result = []
    threads = capture.get("threads", {})
    for ask, said in capture.items():
        if ask in ("threads", "free"):
            continue
        if ask == "facts":
            result += [f"{key}: {value}" for key, value in said.items()]
        elif ask == "by number":
            result += _singles(said)
        elif ask == "churn":
            result += _churn(said)
        elif ask == "dump":
            result += _dump(said)
        else:
            result += _answers(said, ask, threads, "free" in capture)
    return result


def broken(capture: Object) -> Iterator[tuple[str, Object]]:
    """The capture with one mistake each time, with what that is. A tracker could make them.

    A comparison that takes one of them for the original cannot detect this error.
    """
    yield from _broken_lists(capture)
    if "churn" in capture:
        said = capture["churn"]
        for what, run in _broken_run(said["runs"][-1], said["held"]):
            yield f"{said['command']}: {what}", \
                {"churn": said | {"runs": said["runs"][:-1] + [run]}}
    if "dump" in capture:
        said = capture["dump"]
        for what, shown in _broken_order(said["shown"], said["held"]):
            yield what, {"dump": said | {"shown": shown}}
        yield "another end", {"dump": said | {"end": "EFAULT"}}


def _broken_lists(capture: Object) -> Iterator[tuple[str, Object]]:
    said = capture.get("-d", [])
    for place, (command, objects) in enumerate(said):
        match = _LIST.match(command)
        if not match or match[1] not in OWN or not isinstance(objects, list):
            continue

        def instead(i: int, gone: int, *other: Object, place: int = place) -> Object:
            command, objects = said[place]
            changed = [command, objects[:i] + list(other) + objects[i + gone:]]
            return capture | {"-d": said[:place] + [changed] + said[place + 1:]}

        for i, one in enumerate(objects[:BROKEN]):
            yield f"{command}: no {one}", instead(i, 1)
            yield f"{command}: twice {one}", instead(i, 1, one, one)
            for field in one:
                yield f"{command}: no {field} in {one}", \
                    instead(i, 1, {name: one[name] for name in one if name != field})
            if "pid" in one:
                yield f"{command}: wrong pid in {one}", instead(i, 1, one | {"pid": NOBODY})
        for i, (one, other) in enumerate(itertools.pairwise(objects[:BROKEN + 1])):
            # Where the order says nothing, only ascending numbers can be exchanged.
            if "free" in capture and any(one.get(field) != other.get(field)
                                         for field in ("ifname", "port", "type")):
                continue
            yield f"{command}: exchanged {one} {other}", instead(i, 2, other, one)


def _broken_run(run: Object, held: list[Place]) -> Iterator[tuple[str, Object]]:
    yield "another code", run | {"code": run["code"] + 1}
    yield "an error", run | {"errors": [*run["errors"], "error: Interrupted system call"]}
    yield "no JSON", run | {"form": "text"}
    if run["devices"]:
        yield "no device", run | {"devices": run["devices"][:-1]}
    for what, shown in _broken_order(run["shown"], held):
        yield what, run | {"shown": shown}


def _broken_order(shown: list[Any], held: list[Any]) -> Iterator[tuple[str, list[Any]]]:
    """The list with an object left out, repeated, or exchanged with the next."""
    places = [i for i, one in enumerate(shown) if one in held]
    for i in places[:1] + places[-2:]:
        yield f"no {shown[i]}", shown[:i] + shown[i + 1:]
        yield f"twice {shown[i]}", shown[:i] + [shown[i]] + shown[i:]
        if i + 1 in places and (not isinstance(shown[i], list)
                                or shown[i][:-1] == shown[i + 1][:-1]):
            yield f"exchanged {shown[i]} and the next", \
                shown[:i] + [shown[i + 1], shown[i]] + shown[i + 2:]
