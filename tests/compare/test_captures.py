# SPDX-License-Identifier: GPL-2.0
"""What the comparison makes of captures, and what it takes for a difference."""

import json
import tempfile
import unittest
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from tests.compare import captures, comparison

LIST = "resource show pd"


def pd(number: int, users: int = 0, device: str = "dev0", **more: object) -> dict[str, Any]:
    return {"ifindex": 1, "ifname": device, "pdn": number, "users": users} | more


def listed(*objects: dict[str, Any]) -> dict[str, Any]:
    return {"threads": {}, "-d": [[LIST, list(objects)]]}


def churned(*shown: int, held: Iterable[int] = (), **more: object) -> dict[str, Any]:
    run = {"code": 0, "errors": [], "form": "JSON", "devices": ["dev0"],
           "shown": [["dev0", 0, number] for number in shown]} | more
    return {"churn": {"command": LIST, "held": [["dev0", 0, number] for number in held],
                      "runs": [run]}}


def dumped(*shown: int, held: Iterable[int] = (), went: Iterable[int] = (),
           came: Iterable[int] = (), end: str = "done",
           interrupted: bool = False) -> dict[str, Any]:
    return {"dump": {"what": "d", "shown": list(shown), "held": list(held),
                     "went": list(went), "came": list(came), "end": end,
                     "interrupted": interrupted}}


def expected(**entry: Any) -> comparison.Expected:
    return comparison.Expected("r", **entry)


def judge(theirs: list[str], ours: list[str], *entries: comparison.Expected,
          name: str = "w-rxe/00-a") -> comparison.Judgement:
    return comparison.Judgement(name, [theirs, ours], entries)


class Lists(unittest.TestCase):
    def test_numbers_of_another_boot_change_nothing(self) -> None:
        self.assertEqual(captures.lines(listed(pd(1, 5), pd(2, 6))),
                         captures.lines(listed(pd(11, 5), pd(17, 6))))

    def test_references_are_to_names_not_to_numbers(self) -> None:
        def capture(first: int, second: int) -> dict[str, Any]:
            mrs = [{"ifname": "dev0", "mrn": i, "pdn": pdn} for i, pdn in ((1, second), (2, first))]
            return {"-d": [[LIST, [pd(first, 5), pd(second, 6)]], ["resource show mr", mrs]]}

        lines = captures.lines(capture(1, 2))
        self.assertEqual(lines, captures.lines(capture(11, 17)))
        self.assertTrue(lines[2].endswith("pdn=pd.2") and lines[3].endswith("pdn=pd.1"), lines)

    def test_ranges_are_all_their_numbers(self) -> None:
        qps = [{"ifname": "dev0", "lqpn": i, "type": "RC"} for i in (1, 2, 3)]
        srq = {"ifname": "dev0", "srqn": 1, "lqpn": ["1-3"]}
        lines = captures.lines({"-d": [["resource show qp", qps], ["resource show srq", [srq]]]})
        self.assertTrue(lines[-1].endswith("lqpn=3xqp.1"), lines)

    def test_exchanged_objects_that_differ_give_other_lines(self) -> None:
        self.assertNotEqual(captures.lines(listed(pd(1, 5), pd(2, 6))),
                            captures.lines(listed(pd(1, 6), pd(2, 5))))

    def test_exchanged_objects_that_are_alike_do_not_ascend(self) -> None:
        self.assertFalse(self._wrong(listed(pd(1), pd(2))))
        self.assertTrue(self._wrong(listed(pd(2), pd(1))))
        self.assertTrue(self._wrong(listed(pd(2), pd(2))))

    def test_each_device_and_port_ascends_by_itself(self) -> None:
        self.assertFalse(self._wrong(listed(pd(5), pd(1, device="dev1"))))
        qps = [{"ifname": "dev0", "lqpn": 17, "type": "RC"},
               {"ifname": "dev0", "port": 1, "lqpn": 16, "type": "RC"},
               {"ifname": "dev0", "port": 1, "lqpn": 1, "type": "GSI"}]
        self.assertFalse(self._wrong({"-d": [["resource show qp", qps]]}))
        self.assertTrue(self._wrong({"-d": [["resource show qp", qps[::-1]]]}))

    def test_numbers_of_an_srq_ascend(self) -> None:
        for numbers, wrong in ((["1-3", 5], False), ([5, "1-3"], True)):
            srq = {"ifname": "dev0", "srqn": 1, "lqpn": numbers}
            self.assertEqual(self._wrong({"-d": [["resource show srq", [srq]]]}), wrong)

    def test_alike_neighbours_are_one_line(self) -> None:
        lines = captures.lines(listed(pd(1), pd(2), pd(3, 7), pd(4)))
        self.assertEqual([line.split()[4] for line in lines], ["2x", "1x", "1x"])

    def _wrong(self, capture: dict[str, Any]) -> bool:
        return any(captures.WRONG in line for line in captures.lines(capture))


class Moving(unittest.TestCase):
    def test_who_comes_and_goes_changes_nothing(self) -> None:
        self.assertEqual(captures.lines(churned(1, 2, 7, held=(1, 2))),
                         captures.lines(churned(1, 2, 8, 9, held=(1, 2))))

    def test_each_mistake_gives_another_line(self) -> None:
        right = captures.lines(churned(1, 2, 3, held=(1, 2)))
        for wrong in (churned(1, 3, held=(1, 2)), churned(1, 2, 2, held=(1, 2)),
                      churned(2, 1, 3, held=(1, 2)), churned(1, 2, held=(1, 2), code=1),
                      churned(1, 2, held=(1, 2), errors=["e"]),
                      churned(1, 2, held=(1, 2), form="text"),
                      churned(1, 2, held=(1, 2), devices=[])):
            self.assertNotEqual(captures.lines(wrong), right)

    def test_what_is_listed_twice_is_said(self) -> None:
        self.assertIn("1 twice", captures.lines(churned(1, 2, 2, held=(1, 2)))[0])

    def test_qps_of_ports_may_be_lost_by_the_c_tracker_only(self) -> None:
        held = [["dev0", 0, 17], ["dev0", 1, 1]]
        whole, part = ({"churn": {"command": "resource show qp", "held": held, "runs": [
            {"code": 0, "errors": [], "form": "JSON", "devices": ["dev0"], "shown": shown}]}}
            for shown in (held, held[:1]))
        all_lines, fewer_lines = captures.lines(whole), captures.lines(part)
        self.assertFalse(judge(fewer_lines, all_lines).unexpected)
        self.assertTrue(judge(all_lines, fewer_lines).unexpected)

    def test_dump_says_who_was_shown(self) -> None:
        self.assertEqual(
            captures.lines(dumped(1, 2, 3, held=(1, 9), went=(2, 8), came=(3,))),
            ["dump d: 1 of 2 held; 1 of 2 that went; 1 of 1 that came; end=done"])
        self.assertIn("interrupted", captures.lines(dumped(interrupted=True))[0])
        self.assertIn("end=EINVAL", captures.lines(dumped(end="EINVAL"))[0])

    def test_spoilt_captures_have_other_lines(self) -> None:
        for capture in (listed(pd(1, pid=7), pd(2, pid=7), pd(3)), churned(1, 2, 3, held=(1, 2, 3)),
                        dumped(1, 2, 3, held=(1, 2, 3))):
            what = dict(captures.broken(capture))
            self.assertTrue(any("no " in mistake for mistake in what))
            self.assertTrue(any("twice" in mistake for mistake in what))
            self.assertTrue(any("exchanged" in mistake for mistake in what))
            for mistake, broken in what.items():
                self.assertNotEqual(captures.lines(broken), captures.lines(capture), mistake)


class Differences(unittest.TestCase):
    def test_list_is_well_formed(self) -> None:
        for entry in comparison._expected():
            self.assertTrue(entry.c or entry.rust or entry.words, entry.reason)

    def test_other_order_is_a_difference(self) -> None:
        self.assertTrue(judge(["a", "b"], ["b", "a"]).unexpected)
        self.assertFalse(judge(["a", "b"], ["a", "b"]).unexpected)

    def test_mistake_of_both_sides_is_reported(self) -> None:
        line = f"x {captures.WRONG}y"
        self.assertTrue(judge([line], [line]).unexpected)

    def test_count_is_exact(self) -> None:
        entry = expected(rust="a.", lines={"w-rxe": [0, 2]})
        for ours, right in ((["a1"], False), (["a1", "a2"], True), (["a1", "a2", "a3"], False)):
            judged = judge([], ours, entry)
            self.assertFalse(judged.unexpected)
            wrong = list(comparison._miscounted([entry], judged.tally, {"w-rxe"}))
            self.assertEqual(not wrong, right)

    def test_count_is_for_its_workloads(self) -> None:
        entry = expected(rust="a.", lines={"w-rxe": [0, 1]})
        self.assertTrue(judge([], ["a1"], entry, name="v-rxe/00-a").unexpected)
        self.assertFalse(list(comparison._miscounted([entry], judge([], []).tally, {"v-rxe"})))

    def test_one_for_each_line_is_exact(self) -> None:
        entry = expected(rust="x.*", each="d.*")
        self.assertFalse(judge(["d1"], ["d1", "x1"], entry).unexpected)
        self.assertTrue(judge(["d1"], ["d1"], entry).unexpected)
        self.assertTrue(judge(["d1"], ["d1", "x1", "x2"], entry).unexpected)

    def test_words_differ_and_nothing_else(self) -> None:
        entry = expected(words=["pid"], c="", rust="pid=1", lines={"w-rxe": [1, 1]})
        for theirs, ours, right in (("a b", "a pid=1 b", True), ("a b", "a pid=2 b", False),
                                    ("a b", "a pid=1 c", False), ("a b", "a pid=1", False)):
            self.assertEqual(not judge([theirs], [ours], entry).unexpected, right, ours)

    def test_lines_of_the_c_tracker_must_be_right_too(self) -> None:
        entry = next(one for one in comparison._expected() if one.where == "threads-*")
        ours = "-d resource show pd: 1x pd.1 comm=threads pid=process.1 users=1"
        for theirs, right in (("-d resource show pd: 1x pd.1 users=1", True),
                              ("-d resource show pd: 1x pd.1 users=2", False),
                              ("-d resource show pd: 1x pd.1 pid=process.2 users=1", False)):
            judged = judge([theirs], [ours], entry, name="threads-rxe/00-thread-ended")
            self.assertEqual(not judged.unexpected, right, theirs)

    def test_entry_that_accepts_too_much_hides_a_mistake(self) -> None:
        capture = listed(pd(1, 5, pid=7), pd(2, 6, pid=7))
        theirs = captures.lines(listed(pd(1, 5), pd(2, 6)))
        for rust, hidden in ((r"pid=process\.1", False), (r"pid=process\.\d", True)):
            with tempfile.TemporaryDirectory() as folder:
                (Path(folder) / "w-rxe").mkdir()
                (Path(folder) / "w-rxe/00-a.json").write_text(json.dumps(capture))
                tried, unseen = comparison._unseen(
                    Path(folder), {"c": {"w-rxe/00-a": theirs}},
                    [expected(words=["pid"], c="", rust=rust, lines={"w-rxe": [2, 2]})])
            self.assertTrue(tried)
            self.assertEqual(["wrong pid" in line for line in unseen], [True] * 2 * hidden)
