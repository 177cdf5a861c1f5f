# SPDX-License-Identifier: GPL-2.0
"""What `rdma` printed, without what differs from one boot to the next.

An object is known by its number there, and processes by theirs. Here, an object
is what it says about itself and what it has to do with others: its fields
without the numbers, the objects that it refers to, the objects that refer to
it. Objects for which all of that is the same get the same name, so that two
captures of the same state have the same lines, whatever the numbers were and
in whatever order the objects came.
"""

import hashlib
import json
import re
from collections import Counter, defaultdict

# Per type: the field with an object's own number.
OWN = {"qp": "lqpn", "cm_id": "cm-idn", "cq": "cqn", "mr": "mrn", "pd": "pdn",
       "ctx": "ctxn", "srq": "srqn"}
# Fields with the number of another object, and its type.
REFERENCES = {"pdn": "pd", "cqn": "cq", "ctxn": "ctx", "lqpn": "qp", "rqpn": "qp",
              "pid": "process"}

# Fields that count, or that somebody drew or allocated: there or not is what
# can be compared.
RANDOM = {"rq-psn", "sq-psn", "rkey", "lkey", "local_dma_lkey",
          "unsafe_global_rkey"}
# A kernel user's region has the length of what it was last used for.
LENGTH = "mrlen"
# Ports from here on are chosen by the kernel.
EPHEMERAL = 32768
# QPs that have the same number on every device.
SPECIAL_QPS = {"GSI", "SMI"}

# Fields of links, devices and statistics that are counted or numbered.
COUNTED = re.compile(r".*_(pkts|bytes|request|err|deferred|sends|recvs|downed)$")
INDICES = {"ifindex", "netdev_index", "node_guid", "sys_image_guid"}

ROUNDS = 8      # of passing on what is known to neighbours

SPOILT = 2      # objects of a list that spoilt() takes
NOBODY = 4194304    # more than any process has


class _Node:
    def __init__(self, type_, words):
        self.type = type_
        self.words = words          # what it says about itself, sorted
        self.edges = []             # (field, node or text)
        self.back = []              # (type and field, node)
        self.colour = ""

    def mix(self):
        """What is known about it after one more round."""
        there = sorted((field, other.colour if isinstance(other, _Node) else other)
                       for field, other in self.edges)
        back = sorted((how, other.colour) for how, other in self.back)
        return _hash((self.type, self.words, self.colour, there, back))


def _hash(value):
    return hashlib.sha256(json.dumps(value).encode()).hexdigest()[:16]


def _literal(field, value):
    if field in INDICES:
        return "n"
    if field in RANDOM:
        return "0" if str(value) == "0" else "n"
    if field in ("src-addr", "dst-addr"):
        address, _, port = value.rpartition(":")
        return f"{address}:{'ephemeral' if int(port) >= EPHEMERAL else port}"
    return json.dumps(value).strip('"')


class _Graph:
    """The objects of one answer to all lists, and how they hang together."""

    def __init__(self, lists, threads):
        self.nodes = []
        self.threads = threads                  # and their processes
        self.by_number = defaultdict(list)      # (type, number): (device, node)
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

    def _object(self, type_, one):
        special = type_ == "qp" and one.get("type") in SPECIAL_QPS
        if LENGTH in one and "pid" not in one and "pdn" not in one:
            one = one | {LENGTH: "n"}
        words = sorted(
            f"{field}={_literal(field, value) if special or field != OWN[type_] else 'n'}"
            for field, value in one.items()
            if field == OWN[type_] or field not in REFERENCES)
        node = _Node(type_, words)
        self.nodes.append(node)
        number = one.get(OWN[type_])
        if not isinstance(number, list):
            self.by_number[type_, number].append((one.get("ifname"), node))
        return node

    def _connect(self, node, one):
        for field, value in one.items():
            if field not in REFERENCES or field == OWN[node.type]:
                continue
            for number in _numbers(value):
                other = self._find(REFERENCES[field], number, one)
                node.edges.append((field, other))
                if isinstance(other, _Node):
                    other.back.append((f"{node.type}.{field}", node))

    def _find(self, type_, number, one):
        if type_ == "process":
            number = self.threads.get(str(number), number)
        found = self.by_number[type_, number]
        if type_ == "process" and not found:
            node = _Node(type_, [f"comm={one.get('comm')}"])
            self.nodes.append(node)
            found.append((None, node))
        here = [node for device, node in found
                if type_ == "process" or device == one.get("ifname")]
        # The other end of a connection may be on another device.
        here = here or [node for _, node in found]
        return here[0] if here else "0" if number == 0 else "not-listed"

    def _name(self):
        """Short names: type, and which of the different ones of this type."""
        self.names = {}
        kinds = {(n.type, tuple(n.words), n.colour) for n in self.nodes}
        numbers = Counter()
        for type_, _, colour in sorted(kinds):
            numbers[type_] += 1
            self.names[colour] = f"{type_}.{numbers[type_]}"

    def lines(self, type_):
        """One line for each kind of object of that type, and how many there are."""
        lines = Counter()
        for node in self.nodes:
            if node.type == type_:
                words = node.words + sorted(
                    f"{field}={n}x{to}" if n > 1 else f"{field}={to}"
                    for (field, to), n in Counter(
                        (f, self.names[o.colour] if isinstance(o, _Node) else o)
                        for f, o in node.edges).items())
                lines[f"{self.names[node.colour]} {' '.join(words)}"] += 1
        return [f"{n}x {line}" for line, n in sorted(lines.items())]


def _numbers(value):
    """Numbers in a field: one, several, or ranges of them."""
    for part in value if isinstance(value, list) else [value]:
        first, _, last = str(part).partition("-")
        yield from range(int(first), int(last or first) + 1)


def _plain(answer):
    """Lines of an answer that is not a list of objects."""
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
    # The devices come in the order of their names or numbers: no matter.
    return sorted(lines)


_LIST = re.compile(r"resource show (\w+)$")


def _answers(said, ask, threads):
    """Lines for the answers of one run of rdma."""
    said = [tuple(pair) for pair in said]
    lists = {m[1]: answer for command, answer in said
             if (m := _LIST.match(command)) and m[1] in OWN and isinstance(answer, list)}
    graph = _Graph(lists, threads)
    of_threads = sum(str(one.get("pid")) in threads
                     for objects in lists.values() for one in objects)
    if of_threads:
        yield f"{ask} owners: {of_threads} objects show the number of a thread"
    for command, answer in said:
        match = _LIST.match(command)
        if match and match[1] in lists:
            lines = graph.lines(match[1])
        elif command in ("errors", "code"):
            lines = [str(answer)] if answer else []
        else:
            lines = _plain(answer)
        for line in lines:
            yield f"{ask} {command}: {line}"


# Attributes of netlink that are numbers of something, or drawn.
_NUMBERED = {1, 21, 22, 23, 24, 28, 42, 43, 60, 61, 62, 63, 64, 90}
_ADDRESSES = {33, 34}       # of which the port may be chosen by the kernel
_QPS = 19                   # numbers and ranges of numbers
_KEYS = {48, 49}
_LENGTH, _KERNEL_OWNER = 45, 29


def _singles(said):
    """Lines for answers about one object each: each kind of answer, how often."""
    lines = Counter()
    for what, answer in said:
        if isinstance(answer, list):
            words = []
            of_kernel = any(number == _KERNEL_OWNER for number, _ in answer)
            for number, value in answer:
                if number in _NUMBERED or number == _QPS \
                        or number == _LENGTH and of_kernel:
                    value = "n"
                elif number in _KEYS:
                    value = "n" if value else "0"
                elif number in _ADDRESSES and int(value[4:8], 16) >= EPHEMERAL:
                    value = value[:4] + "port" + value[8:]
                words.append(f"{number}={value}")
            answer = " ".join(words)
        lines[f"{what}: {answer}"] += 1
    return [f"by number {n}x {line}" for line, n in sorted(lines.items())]


def lines(capture):
    """All lines of one capture, as the guest has written it."""
    result = []
    threads = capture.get("threads", {})
    for ask, said in capture.items():
        if ask == "threads":
            continue
        if ask == "facts":
            result += [f"{key}: {value}" for key, value in said.items()]
        elif ask == "by number":
            result += _singles(said)
        else:
            result += _answers(said, ask, threads)
    return result


def spoilt(capture):
    """The same capture with one mistake, as a tracker could make it: pairs of what
    is wrong and what would have been captured.

    A comparison that takes one of them for the original has lost its sight.
    """
    said = capture.get("-d", [])
    for place, (command, objects) in enumerate(said):
        if not _LIST.match(command) or not isinstance(objects, list):
            continue
        for i, one in enumerate(objects[:SPOILT]):
            def with_instead(*other, place=place, i=i):
                command, objects = said[place]
                changed = [command, objects[:i] + list(other) + objects[i + 1:]]
                return capture | {"-d": said[:place] + [changed] + said[place + 1:]}

            yield f"{command}: no {one}", with_instead()
            yield f"{command}: twice {one}", with_instead(one, one)
            for field in one:
                yield f"{command}: no {field} in {one}", \
                    with_instead({name: one[name] for name in one if name != field})
            if "pid" in one:
                yield f"{command}: wrong pid in {one}", \
                    with_instead(one | {"pid": NOBODY})
