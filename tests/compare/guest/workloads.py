# SPDX-License-Identifier: GPL-2.0
"""The workloads: what is done with RDMA devices, and when captures are made.

Each function is one workload and gets a scene. Most make captures while nothing moves:
after the condition that they wait for, nothing changes until they go on. Others make
captures while objects come and go, and say which were there all the time; only those
are compared.
"""

import itertools
import os
import signal
import socket
import subprocess
from collections.abc import Callable

from tests.compare.guest import capture
from tests.compare.guest.scene import CLONE_NEWNET, CLONE_NEWPID, CLONE_NEWUSER, LIMIT, Scene, \
    Wrong, enter, run, unshare
from tests.rdma import netlink

ADDRESS = "10.7.1.1"
GROUP = "239.7.7.7"
RDS_PORT = 4000
NVME_PORT = "4420"
FOREVER = "100000000"

Workload = Callable[[Scene], None]

# By name, the function, the kinds of devices, and the seconds that it may take.
WORKLOADS: dict[str, tuple[Workload, tuple[str, ...], int]] = {}

# Short ones, which a change of the tracker breaks first.
QUICK = {"idle-rxe", "memory-rxe", "shared_queues-rxe", "shared_domain-rxe",
         "connections-rxe", "two_devices-rxe", "pid_namespaces-rxe", "forked-rxe",
         "threads-rxe", "executed-rxe", "leader_left-rxe", "exited_inside-rxe",
         "refused-rxe", "churn-rxe", "half_read-rxe", "long_list-rxe", "order-rxe",
         "order-siw"}

# CM_IDs that stay in the workload churn.
CM_IDS = 200

# How often a selftest of the kernel is tried.
TRIES = 3

# Runs of a command while objects come and go: of the longest list, others, statistics.
RUNS, FEWER, FEWEST = 15, 10, 5


def workload(*kinds: str, limit: int = 400) -> Callable[[Workload], Workload]:
    def note(function: Workload) -> Workload:
        WORKLOADS[function.__name__] = (function, kinds, limit)
        return function
    return note


@workload("rxe", "siw")
def idle(scene: Scene) -> None:
    """Nobody uses the device: only the kernel has objects."""
    scene.device()
    scene.capture_all_ways("idle")


def _pingpong(scene: Scene, kind: str, qps: int = 1) -> None:
    device = scene.device()
    command = [f"ibv_{kind}_pingpong", "-d", device, "-n", FOREVER,
               "-g", scene.gid_index(device) or "0"]
    comm = command[0][:15]
    server = scene.start(*command)
    scene.wait_count(qps, "qp", comm=comm, state="INIT")
    scene.capture("server")
    client = scene.start(*command, "localhost")
    scene.wait_count(2 * qps, "qp", comm=comm, state="RTS")
    scene.capture("both")
    scene.stop(server)
    scene.wait_count(qps, "qp", comm=comm)
    scene.stop(client)
    scene.wait_gone()
    scene.capture("none")


@workload("rxe")
def pingpong_rc(scene: Scene) -> None:
    _pingpong(scene, "rc")


@workload("rxe")
def pingpong_uc(scene: Scene) -> None:
    _pingpong(scene, "uc")


@workload("rxe")
def pingpong_ud(scene: Scene) -> None:
    _pingpong(scene, "ud")


@workload("rxe")
def pingpong_srq(scene: Scene) -> None:
    _pingpong(scene, "srq", qps=16)


@workload("rxe", "siw")
def pingpong_refused(scene: Scene) -> None:
    """Programs that these devices cannot run fail in the same way."""
    device = scene.device()
    commands = [["ibv_xsrq_pingpong", "-d", device]]
    if scene.kind == "siw":
        commands += [["ibv_uc_pingpong", "-d", device], ["ibv_ud_pingpong", "-d", device]]
    for command in commands:
        done = run(*command, check=False)
        scene.note(command[0], code=done.returncode,
                   said=(done.stdout + done.stderr).splitlines()[-1:])
    scene.capture("after")


@workload("siw")
def pingpong_unconnected(scene: Scene) -> None:
    """siw connects by address only: the programs have their objects, then give up."""
    device = scene.device()
    server = scene.start("ibv_srq_pingpong", "-d", device)
    scene.wait_count(16, "qp", comm="ibv_srq_pingpon")
    scene.capture("srq-server")
    scene.stop(server)
    command = ["ibv_rc_pingpong", "-d", device]
    server = scene.start(*command)
    scene.wait_count(1, "qp", comm=command[0])
    scene.capture("rc-server")
    client = scene.start(*command, "localhost")
    scene.note("rc", server=server.wait(LIMIT), client=client.wait(LIMIT))
    scene.wait_gone()
    scene.capture("none")


@workload("rxe")
def pingpong_ends(scene: Scene) -> None:
    """A program that comes to its end leaves nothing behind."""
    device = scene.device()
    command = ["ibv_rc_pingpong", "-d", device, "-n", "100", "-g", scene.gid_index(device) or ""]
    server = scene.start(*command)
    scene.wait_count(1, "qp", comm="ibv_rc_pingpong")
    client = scene.start(*command, "localhost")
    scene.note("codes", server=server.wait(200), client=client.wait(200))
    scene.capture("after")


def _rping(scene: Scene, *options: str) -> subprocess.Popen[bytes]:
    scene.device()
    server = scene.start("rping", "-s", "-a", ADDRESS, *options)
    scene.wait_count(1, "cm_id", comm="rping", state="LISTEN")
    scene.capture("server")
    return server


def _rping_client(scene: Scene) -> subprocess.Popen[bytes]:
    return scene.start("rping", "-c", "-a", ADDRESS)


def _rping_pairs(scene: Scene, number: int) -> None:
    """Waits until so many pairs are connected, and nothing is left of earlier ones."""
    scene.wait_count(2 * number, "cm_id", comm="rping", state="CONNECT")
    scene.wait_count(2 * number, "qp", comm="rping", state="RTS")
    for name in ("qp", "cq"):
        scene.wait_count(2 * number, name, comm="rping")
    # This is what they give up last.
    scene.wait_count(2 * number + 1, "cm_id", comm="rping")


@workload("rxe", "siw")
def rping_once(scene: Scene) -> None:
    server = _rping(scene)
    client = _rping_client(scene)
    _rping_pairs(scene, 1)
    scene.capture_all_ways("connected")
    scene.stop(client)
    server.wait(LIMIT)
    scene.wait_gone()
    scene.capture("none")


@workload("rxe", "siw")
def rping_persistent(scene: Scene) -> None:
    server = _rping(scene, "-P")
    clients = [_rping_client(scene)]
    _rping_pairs(scene, 1)
    clients.append(_rping_client(scene))
    _rping_pairs(scene, 2)
    scene.capture("two-clients")
    scene.stop(clients[0])
    _rping_pairs(scene, 1)
    scene.capture("one-client")
    scene.stop(clients[1])
    scene.wait_count(0, "cq", comm="rping")
    scene.wait_count(1, "cm_id", comm="rping")
    scene.capture("no-client")
    scene.stop(server)
    scene.wait_gone()
    scene.capture("none")


@workload("rxe", "siw")
def memory(scene: Scene) -> None:
    """Memory regions: registered, moved to another PD, deregistered."""
    a = scene.actor("memory")
    a.context("ctx", scene.device())
    a.pd("pd1", "ctx")
    a.pd("pd2", "ctx")
    for name, pd, size in (("m1", "pd1", 4096), ("m2", "pd1", 8192), ("m3", "pd2", 100)):
        a.mr(name, pd, size)
    scene.capture_all_ways("registered")
    scene.note("move", said=scene.attempt(a.reregister, "m1", "pd2"))
    scene.capture_all_ways("moved")
    a.destroy("m1", "m3")
    scene.capture("deregistered")
    scene.note("busy", said=scene.attempt(a.destroy, "pd1"))
    scene.capture("pd-in-use")
    a.destroy("m2", "pd1")
    scene.capture("pd-gone")


@workload("rxe", "siw")
def shared_queues(scene: Scene) -> None:
    """SRQs: lists of QPs as numbers and ranges, and a QP that has none."""
    a = scene.actor("queues")
    a.context("ctx", scene.device())
    a.pd("pd", "ctx")
    a.cq("cq", "ctx")
    a.srq("s1", "pd")
    a.srq("s2", "pd")
    scene.capture("empty")
    for i, srq in enumerate(("s1", "s1", "s1", None, "s1", "s2", "s2")):
        a.qp(f"q{i}", "pd", "cq", "rc", srq)
    scene.capture_all_ways("used")
    a.destroy("q1")
    scene.capture("hole")
    scene.note("busy", said=scene.attempt(a.destroy, "s1"))
    a.destroy("q5", "q6", "s2")
    scene.capture("one-left")


@workload("rxe", "siw")
def shared_domain(scene: Scene) -> None:
    """One PD and one CQ for many; several contexts in one process."""
    a = scene.actor("shared")
    device = scene.device()
    a.context("ctx", device)
    a.pd("pd", "ctx")
    a.cq("cq", "ctx")
    a.many("qp", "qp", 5, "pd", "cq", "rc")
    a.many("mr", "mr", 5, "pd", 4096)
    a.srq("srq", "pd")
    a.context("ctx2", device)
    a.pd("pd2", "ctx2")
    a.cq("cq2", "ctx2", 100)
    scene.capture_all_ways("shared")
    a.destroy("pd2", "cq2", "ctx2")
    scene.capture("context-closed")


@workload("rxe", "siw")
def channels(scene: Scene) -> None:
    """Completion channels, one of them for two queues; two queues of one QP."""
    a = scene.actor("channels")
    a.context("ctx", scene.device())
    a.pd("pd", "ctx")
    a.channel("ch1", "ctx")
    a.channel("ch2", "ctx")
    a.cq("cq1", "ctx", 10, "ch1")
    a.cq("cq2", "ctx", 20, "ch1")
    a.cq("cq3", "ctx", 40, "ch2")
    a.qp("qp", "pd", "cq1", "rc", None, "cq2")
    a.init("qp")
    scene.capture_all_ways("channels")
    scene.note("busy", cq=scene.attempt(a.destroy, "cq1"), channel=scene.attempt(a.destroy, "ch2"))
    a.destroy("qp", "cq1", "cq3", "ch2")
    scene.capture("fewer")


@workload("rxe")
def multicast(scene: Scene) -> None:
    a = scene.actor("multicast")
    device = scene.device()
    a.context("ctx", device)
    a.pd("pd", "ctx")
    a.cq("cq", "ctx")
    a.qp("qp", "pd", "cq", "ud")
    a.init("qp", "ud")
    a.attach("qp", GROUP)
    scene.capture("attached")
    scene.note("attached", busy=scene.attempt(a.destroy, "qp"))
    a.detach("qp", GROUP)
    a.destroy("qp")
    scene.capture("detached")
    a.event_channel("ch")
    a.cm_id("id", "ch", "udp")
    a.bind("id", ADDRESS)
    a.join("id", "ch", GROUP)
    scene.capture_all_ways("joined")
    key = scene.start("mckey", "-b", ADDRESS, "-m", GROUP)
    scene.wait_count(1, "qp", comm="mckey", state="RTS")
    scene.wait_count(1, "mr", comm="mckey")
    scene.capture("mckey")
    scene.stop(key)


@workload("rxe", "siw")
def connections(scene: Scene) -> None:
    """Connection identifiers in the states that one process can reach alone."""
    scene.device()
    a = scene.actor("cm")
    a.event_channel("ch")
    a.cm_id("unbound", "ch")
    a.cm_id("bound", "ch")
    a.bind("bound", ADDRESS, 7001)
    a.cm_id("listening", "ch")
    a.bind("listening", ADDRESS, 7002)
    a.listen("listening")
    a.cm_id("anywhere", "ch")
    a.bind("anywhere", "0.0.0.0", 7003)
    a.listen("anywhere")
    scene.capture_all_ways("all")
    a.destroy("bound", "anywhere", "unbound")
    scene.capture("one-left")
    a.exit()
    scene.wait_gone()
    scene.capture("none")


@workload("rxe", "siw")
def links(scene: Scene) -> None:
    """Devices come and go, one of them while it is used."""
    scene.device("dev0")
    scene.capture("one")
    scene.note("again", code=run("rdma", "link", "add", "dev0", "type", scene.kind,
                                 "netdev", "net0", check=False).returncode)
    scene.device("dev1", subnet=2)
    scene.capture("two")
    scene.delete_link("dev0")
    scene.capture("other")
    a = scene.actor("user")
    a.set("dev1")
    scene.capture("used")
    if scene.can_take_away:
        scene.delete_link("dev1")
        scene.capture("deleted-while-used")
        a.exit()
    else:
        deletion = scene.start("rdma", "link", "delete", "dev1")
        scene.wait(lambda: not os.path.exists("/sys/class/infiniband_verbs/uverbs1"),
                   "dev1 is on its way out")
        a.exit()
        deletion.wait(LIMIT)
        scene.links.remove("dev1")
    scene.device("dev2", "net0", kind=scene.kind)
    scene.capture("new-one")
    run("ip", "link", "delete", "net0")
    scene.links.remove("dev2")
    scene.wait(lambda: not os.path.exists("/sys/class/infiniband/dev2"), "dev2 is gone")
    scene.capture("netdev-deleted")


@workload("rxe", "siw")
def rename(scene: Scene) -> None:
    """A device gets another name while it is used."""
    scene.device("dev0")
    scene.device("dev1", subnet=2)
    a = scene.actor("user")
    a.set("dev0")
    run("rdma", "dev", "set", "dev0", "name", "dev8")
    scene.links.append("dev8")
    scene.capture_all_ways("renamed")
    scene.note("taken", code=run("rdma", "dev", "set", "dev8", "name", "dev1",
                                 check=False).returncode)
    a.mr("mr2", "pd")
    run("rdma", "dev", "set", "dev8", "name", "dev0")
    scene.links.remove("dev8")
    scene.capture("back")


@workload("rxe", "siw")
def two_devices(scene: Scene) -> None:
    """Objects on two devices, and listeners that are on both or on one."""
    users = []
    for number in (0, 1):
        scene.device(f"dev{number}", subnet=number + 1)
        users.append(scene.actor(f"user{number}"))
        users[number].set(f"dev{number}")
    both = scene.actor("both")
    both.set("dev0")
    both.event_channel("ch")
    both.cm_id("all", "ch")
    both.bind("all", "0.0.0.0", 7001)
    both.listen("all")
    both.cm_id("one", "ch")
    both.bind("one", "10.7.2.1", 7002)
    both.listen("one")
    scene.capture_all_ways("both")
    if not scene.can_take_away:
        # librdmacm keeps each device open that it has had an identifier on.
        users[1].kill()
        both.kill()
    scene.delete_link("dev1")
    scene.capture("one")
    scene.device("dev1", subnet=2)
    scene.capture("new-one")


@workload("rxe")
def two_kinds(scene: Scene) -> None:
    """rxe and siw at once, with the same process on both."""
    scene.device("dev0", kind="rxe")
    scene.device("dev1", subnet=2, kind="siw")
    a = scene.actor("both")
    a.set("dev0")
    b = scene.actor("both")
    b.set("dev1")
    scene.capture_all_ways("both")


@workload("rxe", "siw")
def network_namespaces_shared(scene: Scene) -> None:
    """Shared mode: every network namespace sees every device."""
    scene.device()
    scene.namespace("away")
    there = ("ip", "netns", "exec", "away")
    scene.actor("here").set("dev0")
    scene.capture("here")
    scene.capture("there", there)


@workload("rxe", "siw")
def network_namespaces_exclusive(scene: Scene) -> None:
    """Exclusive mode: a device belongs to one network namespace."""
    run("rdma", "system", "set", "netns", "exclusive")
    scene.others.append(lambda: scene.wait(
        lambda: not run("rdma", "system", "set", "netns", "shared",
                        check=False).returncode, "shared mode"))
    scene.device("dev0")
    scene.device("dev1", subnet=2)
    # The others are undone first to last, and this comes before the mode.
    scene.others.append(lambda: run("ip", "netns", "delete", "away", check=False))
    run("ip", "netns", "add", "away")
    there = ("ip", "netns", "exec", "away")
    a = scene.actor("user")
    a.set("dev0")
    scene.actor("stays").set("dev1")
    scene.capture("here-before")
    scene.capture("there-before", there)
    if not scene.can_take_away:
        # Then it cannot be moved either.
        moved = run("rdma", "dev", "set", "dev0", "netns", "away", check=False)
        scene.note("moved", code=moved.returncode)
    else:
        run("rdma", "dev", "set", "dev0", "netns", "away")
    scene.capture("here-moved")
    scene.capture("there-moved", there)
    if scene.can_take_away:
        inside = scene.actor("inside", lambda: enter(
            os.open("/run/netns/away", os.O_RDONLY), CLONE_NEWNET))
        inside.set("dev0")
        scene.capture("here-used")
        scene.capture("there-used", there)
        inside.kill()
    a.kill()
    run("ip", "netns", "delete", "away")
    scene.wait(lambda: os.path.exists("/sys/class/infiniband/dev0"), "dev0 is back")
    scene.capture("back")


@workload("rxe", "siw")
def pid_namespaces(scene: Scene) -> None:
    """Which owners are seen from where, two PID namespaces deep."""
    scene.device()
    scene.actor("outside").set("dev0")
    inside = scene.actor("inside", lambda: unshare(CLONE_NEWPID), wrap=True)
    inside.set("dev0")

    def deeper() -> None:
        assert inside.pid
        enter(os.pidfd_open(inside.pid), CLONE_NEWPID)
        child = os.fork()
        if child:
            os.waitpid(child, 0)
            os._exit(0)
        unshare(CLONE_NEWPID)

    deep = scene.actor("deep", deeper, wrap=True)
    deep.set("dev0")
    scene.capture_all_ways("outside")
    for name, actor in (("inside", inside), ("deep", deep)):
        scene.capture(name, ("nsenter", "--pid", f"--target={actor.pid}", "unshare",
                             "--mount", "--propagation", "private", "sh", "-c",
                             'mount -t proc proc /proc && exec "$@"', "sh"))
    inside.kill()
    scene.wait_count(1, "ctx")
    scene.capture("gone")


@workload("rxe", "siw")
def user_namespaces(scene: Scene) -> None:
    """Keys are shown to those who administer the device's network."""
    scene.device()
    scene.actor("root").set("dev0")
    scene.actor("mapped", lambda: unshare(CLONE_NEWUSER)).set("dev0")
    scene.capture("root")
    scene.capture("mapped-root", ("unshare", "--user", "--map-root-user"))
    scene.capture("nobody", ("setpriv", "--reuid=65534", "--clear-groups"))
    scene.capture("no-admin", ("setpriv", "--bounding-set=-net_admin", "--inh-caps=-net_admin"))


@workload("rxe", "siw")
def killed(scene: Scene) -> None:
    """A process with all types of objects is killed, and another one is not."""
    scene.device()
    scene.actor("stays").set("dev0")
    a = scene.actor("killed")
    a.set("dev0")
    a.srq("srq", "pd")
    a.qp("qp2", "pd", "cq", "rc", "srq")
    a.event_channel("ch")
    a.cm_id("id", "ch")
    a.bind("id", ADDRESS, 7001)
    a.listen("id")
    scene.capture("before")
    a.kill(signal.SIGKILL)
    scene.capture("after")


@workload("rxe", "siw")
def forked(scene: Scene) -> None:
    """The parent ends, and its child has the device still open."""
    scene.device()
    parent = scene.actor("parent")
    parent.set("dev0")
    child = scene.fork(parent, "child")
    scene.capture("both")
    child.pd("pd2", "ctx")
    child.mr("mr2", "pd2")
    child.cq("cq2", "ctx")
    scene.capture("child-has-own")
    parent.kill()
    scene.capture_all_ways("parent-gone")
    child.qp("qp2", "pd2", "cq2")
    scene.capture("child-goes-on")
    child.kill()
    scene.wait_count(0, "ctx")
    scene.capture("none")


@workload("rxe", "siw")
def threads(scene: Scene) -> None:
    """The objects of a thread belong to its process, also after its end."""
    scene.device()
    a = scene.actor("threads")
    a.in_thread("set", "dev0")
    scene.capture("thread-ended")
    a.mr("mr2", "pd", 8192)
    scene.capture("first-thread")


@workload("rxe", "siw")
def executed(scene: Scene) -> None:
    """A process becomes another program and keeps what it has, whichever of its threads
    made it and whichever called exec."""
    scene.device()
    make = ("with_cm_id", "dev0", ADDRESS)

    def look(what: str, before: tuple[str, ...], caller: str, then: tuple[str, ...] = ()) -> None:
        a = scene.actor("before")
        if before:
            getattr(a, before[0])(*before[1:])
        a.execute(caller, then)
        scene.capture(what)
        a.kill()
        scene.wait_gone()

    look("leader-made-and-called", make, "leader")
    look("leader-made-thread-called", make, "thread")
    look("thread-made-leader-called", ("in_thread", *make), "leader")
    look("thread-made-other-called", ("in_thread", *make), "thread")
    look("thread-made-and-called", (), "thread", make)


@workload("rxe", "siw")
def leader_left(scene: Scene) -> None:
    """The first thread of a process ends, and another one goes on."""
    scene.device()
    a = scene.actor("left")
    a.set("dev0")
    a.leave()
    scene.capture("left")
    a.mr("mr2", "pd", 8192)
    scene.capture("goes-on")


@workload("rxe", "siw")
def exited_inside(scene: Scene) -> None:
    """In a PID namespace, the maker of objects ends, and its child has them still."""
    scene.device()
    scene.actor("outside").set("dev0")
    first = scene.actor("first", lambda: unshare(CLONE_NEWPID), wrap=True)
    maker = scene.fork(first, "maker")
    maker.set("dev0")
    maker.many("pd", "more", 5, "ctx")
    scene.fork(maker, "keeper")
    inside = ("nsenter", "--pid", f"--target={first.pid}", "unshare", "--mount",
              "--propagation", "private", "sh", "-c",
              'mount -t proc proc /proc && exec "$@"', "sh")
    scene.capture("before")
    scene.capture("inside-before", inside)
    maker.kill()
    scene.capture("after")
    scene.capture("inside-after", inside)


@workload("rxe")
def refused(scene: Scene) -> None:
    """The driver refuses to deregister a region while a memory window is bound to it."""
    a = scene.actor("refused")
    device = scene.device()
    a.context("ctx", device)
    a.pd("pd", "ctx")
    a.cq("cq", "ctx")
    a.qp("qp", "pd", "cq")
    a.init("qp")
    a.connect_to_itself("qp", device, scene.gid_index(device))
    a.mr("other", "pd", 100)
    a.bindable("mr", "pd")
    a.window("mw", "ctx", "pd", "qp", "cq", "mr")
    scene.capture("bound")
    scene.note("refused", said=scene.attempt(a.destroy, "mr"))
    scene.capture_all_ways("refused")
    a.destroy("mw")
    scene.note("unbound", said=scene.attempt(a.destroy, "mr"))
    scene.capture("gone")


@workload("rxe", "siw")
def many(scene: Scene) -> None:
    """More of each type than one message holds."""
    a = scene.actor("many")
    device = scene.device()
    # One context of siw has room for 144 queues.
    for i in range(8):
        a.context(f"ctx{i}", device)
        a.many("pd", f"pd{i}-", 25, f"ctx{i}")
        a.many("cq", f"cq{i}-", 25, f"ctx{i}")
        a.many("mr", f"mr{i}-", 50, f"pd{i}-0")
        a.many("qp", f"qp{i}-", 25, f"pd{i}-0", f"cq{i}-0")
        a.many("srq", f"srq{i}-", 12, f"pd{i}-1")
    a.event_channel("ch")
    a.many("cm_id", "id", 100, "ch")
    for i in range(100):
        a.bind(f"id{i}", ADDRESS, 7000 + i)
    scene.capture("many")
    a.kill()
    scene.wait_gone()
    scene.capture("none")


@workload("rxe", "siw")
def order(scene: Scene) -> None:
    """Objects whose order is not that of their making: QPs get numbers that others had,
    on siw; MRs and PDs are of different sizes and users, some in the middle are gone."""
    a = scene.actor("order")
    a.context("ctx", scene.device())
    a.many("pd", "pd", 12, "ctx")
    for i in range(12):
        a.mr(f"mr{i}", f"pd{i * 5 % 12}", 100 * (i * 7 % 12 + 1))
        a.cq(f"cq{i}", "ctx", 10 * (i * 5 % 12 + 1))
    for i in range(12):
        a.qp(f"qp{i}", f"pd{i}", f"cq{11 - i}")
    a.event_channel("ch")
    for i in range(12):
        a.cm_id(f"id{i}", "ch")
        a.bind(f"id{i}", ADDRESS, 7000 + i * 5 % 12)
    scene.capture_all_ways("made")
    for i in (2, 3, 7):
        a.destroy(f"qp{i}", f"mr{i}", f"id{i}")
    scene.capture("fewer")
    for i in (7, 2, 3):
        a.qp(f"qp{i}", f"pd{i}", f"cq{i}")
        a.mr(f"mr{i}", f"pd{i}", 77 * i)
        a.cm_id(f"id{i}", "ch")
        a.bind(f"id{i}", ADDRESS, 8000 - i)
    a.init("qp5")
    a.init("qp2")
    scene.capture_all_ways("again")


@workload("rxe", "siw")
def churn(scene: Scene) -> None:
    """One process makes and destroys without pause beside objects that stay, and a second
    device is idle: every list is whole, in order and without an error."""
    device = scene.device("dev0")
    scene.device("dev1", subnet=2)
    numbers = {"pd": 3000, "mr": 1000, "qp": 300} if scene.kind == "rxe" else \
        {"pd": 1000, "mr": 300, "qp": 50}
    stays = scene.actor("stays")
    stays.context("ctx", device)
    stays.cq("cq", "ctx")
    stays.many("pd", "pd", numbers["pd"], "ctx")
    stays.many("mr", "mr", numbers["mr"], "pd0", 100)
    stays.many("qp", "qp", numbers["qp"], "pd0", "cq")
    other = scene.actor("idle")
    other.set("dev1")
    ports = {stays: (ADDRESS, CM_IDS), other: ("10.7.2.1", 1)}
    for a, (address, number) in ports.items():
        a.event_channel("ch")
        for i in range(number):
            a.cm_id(f"id{i}", "ch")
            a.bind(f"id{i}", address)
    objects = (("pd", ("pd", "ctx"), ()), ("mr", ("mr", "pd", 100), ()),
               ("qp", ("qp", "pd", "cq"), ()),
               ("cm_id", ("cm_id", "ch"), ("bind", ADDRESS)))
    for name, method, then in objects:
        moves = scene.actor("moves")
        moves.context("ctx", device)
        moves.pd("pd", "ctx")
        moves.cq("cq", "ctx")
        moves.event_channel("ch")
        kept = capture.held(name)
        if len(kept) < numbers.get(name, CM_IDS):
            raise Wrong(f"only {len(kept)} {name} are held")
        scene.note(f"held-{name}", number=len(kept))
        moves.churn(method[0], method[1:], then)
        scene.wait(moves.churned, "it churns")
        begun = moves.churned()
        scene.capture_run(name, capture.repeatedly(
            f"resource show {name}", RUNS if name == "pd" else FEWER, kept,
            capture.NUMBERS[name][1]))
        if name == "qp":
            for command in ("statistic show", "statistic qp show", "resource show"):
                scene.capture_run(command.replace(" ", "-"), capture.repeatedly(command, FEWEST))
        if moves.churned() < begun + FEWER:
            raise Wrong(f"{name} hardly came and went")
        moves.kill()


@workload("rxe", "siw")
def half_read(scene: Scene) -> None:
    """A dump of PDs of which the beginning is read; then something happens, and then the
    rest is read, or nobody reads it."""
    scene.device()
    a = scene.actor("reader")

    def have(number: int) -> None:
        a.context("ctx", "dev0")
        a.many("pd", "pd", number, "ctx")

    def look(what: str, change: Callable[[], object], last: bool = False) -> None:
        def numbers() -> list[int]:
            """The numbers of the PDs; none if the device is gone."""
            if last:
                return []
            return capture.Dump("pd", "dev0").read().shown

        before = capture.Dump("pd", "dev0").read().shown
        dump = capture.Dump("pd", "dev0").read(1)
        change()
        after = numbers()
        dump.read()
        dump.close()
        scene.capture_run(what, dump.said(what, before, after))

    def rename_twice() -> None:
        for name, new in (("dev0", "dev8"), ("dev8", "dev0")):
            run("rdma", "dev", "set", name, "name", new)

    def make_again() -> None:
        scene.delete_link("dev0")
        scene.device()

    have(300)
    look("nothing", lambda: None)
    look("some-came", lambda: a.many("pd", "new", 20, "ctx"))
    look("first-went", lambda: a.destroy(*(f"pd{i}" for i in range(20))))
    look("last-went", lambda: a.destroy(*(f"pd{i}" for i in range(280, 300))))
    look("both", lambda: (a.destroy(*(f"pd{i}" for i in range(20, 30))),
                          a.many("pd", "newer", 10, "ctx")))
    look("renamed", rename_twice)
    second: list[capture.Dump] = []
    look("second-reader", lambda: second.append(capture.Dump("pd", "dev0").read(2)))
    everything = capture.Dump("pd", "dev0").read().shown
    second[0].read()
    second[0].close()
    scene.capture_run("second", second[0].said("the second reader", everything, everything))
    for _ in range(20):
        capture.Dump("pd", "dev0").read(1).close()
    look("nobody-reads", lambda: capture.Dump("pd", "dev0").read(1).close())
    scene.capture("after")
    open_ = capture.Dump("pd", "dev0").read(1)
    if scene.can_take_away:
        look("deleted", lambda: scene.delete_link("dev0"), last=True)
        a.kill()
        scene.device()
        a = scene.actor("reader")
        have(300)
        look("deleted-and-back", make_again, last=True)
    a.kill()
    # The socket of the first device is open until here.
    open_.close()
    scene.capture("end")


@workload("rxe")
def long_list(scene: Scene) -> None:
    """An SRQ whose list of QPs does not fit into one message of 4 KiB, first in the list
    and behind others, but into one of 64 KiB."""
    a = scene.actor("long")
    a.context("ctx", scene.device())
    a.pd("pd", "ctx")
    a.cq("cq", "ctx")

    def look(what: str) -> None:
        for size in (4096, 1 << 16):
            dump = capture.Dump("srq", "dev0", size).read()
            dump.close()
            srqs = capture.held("srq") if what == "small" else kept
            scene.capture_run(f"{what}-{size >> 10}", dump.said(
                f"{size >> 10} KiB, {what}", [one[-1] for one in srqs],
                [one[-1] for one in srqs]))
        done = run("timeout", "-s", "KILL", "1", "rdma", "resource", "show", "srq", check=False)
        scene.note("srq", code=done.returncode, said=done.stderr.splitlines()[-1:])

    kept = []
    a.many("srq", "before", 3, "pd")
    a.srq("srq", "pd")
    a.many("srq", "after", 3, "pd")
    look("small")
    kept = capture.held("srq")
    for i in range(400):
        a.qp(f"used{i}", "pd", "cq", "rc", "srq")
        a.qp(f"free{i}", "pd", "cq")
    look("in-the-middle")
    a.destroy("before0", "before1", "before2")
    kept = kept[3:]
    look("first")


@workload("rxe", "siw")
def statistics(scene: Scene) -> None:
    """Counters that these devices do not have are refused in the same way."""
    scene.device()
    a = scene.actor("counted")
    a.set("dev0")
    for words in ("qp set link dev0/1 auto type on", "qp set link dev0/1 auto off",
                  f"qp bind link dev0/1 lqpn {a.number('qp')}",
                  "qp unbind link dev0/1 cntn 1", "qp show link dev0/1",
                  "mr show", "show link dev0/1", "mode supported", "mode link dev0/1"):
        done = run("rdma", "statistic", *words.split(), check=False)
        scene.note("-".join(words.split()[:2]), code=done.returncode, said=done.stderr.splitlines())
    scene.capture("after")


@workload("rxe", limit=1200)
def selftests(scene: Scene) -> None:
    """The selftests of the kernel pass."""
    folder = os.environ["SELFTESTS"]
    tools = f"{scene.folder}/tools"
    os.makedirs(tools)
    # The only program that they need and that is not installed.
    os.symlink("/usr/bin/busybox", f"{tools}/ping")
    # An ip that waits.
    path = f"{os.path.dirname(os.path.abspath(__file__))}/tools:{tools}:{os.environ['PATH']}"
    scene.others.append(scene.load_modules)
    failed, tries = [], []
    tests = sorted(name for name in os.listdir(folder) if name.endswith(".sh"))
    if not tests:
        raise Wrong(f"there is none in {folder}")
    for test in tests:
        # One of them unloads tun, and another one needs it.
        scene.load_modules()
        # They wait a second or not at all for the kernel and other programs, which may
        # not be enough. The comparison says which of them needed more than one try.
        for number in range(1, TRIES + 1):
            code = _selftest(scene, f"{folder}/{test}", number, path)
            if not code:
                break
            tries.append(f"{test} ended with code {code} at try {number} of {TRIES}")
        scene.note(test.removesuffix(".sh"), code=code)
        if code:
            failed.append(f"{test} ended with code {code}")
    scene.remark(tries)
    if failed:
        raise Wrong("; ".join(failed))


def _selftest(scene: Scene, test: str, number: int, path: str) -> int:
    """Runs a selftest; returns its exit code."""
    with open(f"{scene.folder}/{os.path.basename(test)}.{number}.log", "wb") as file:
        return subprocess.run(["timeout", "-k", "5", "300", "bash", test],
                              stdin=subprocess.DEVNULL, stdout=file, stderr=subprocess.STDOUT,
                              env=dict(os.environ, PATH=path), check=False).returncode


@workload("rxe", "siw")
def requests(scene: Scene) -> None:
    """Each request, with each of its attributes right, wrong or left out."""
    a = scene.actor("asked")
    a.set(scene.device())
    a.srq("srq", "pd")
    a.event_channel("ch")
    a.cm_id("id", "ch")
    a.bind("id", ADDRESS, 7001)
    connection = netlink.Connection()
    attributes = {"device": (netlink.DEV_INDEX, netlink.device_index("dev0"), 0xffffffff),
                  "port": (netlink.PORT_INDEX, 1, 2)}
    for name, command in netlink.COMMANDS.items():
        which = dict(attributes)
        type_ = name.removeprefix("res_").partition("_get")[0]
        if type_ in capture.NUMBERS:
            number, field = capture.NUMBERS[type_]
            one = [one for one in capture.ask([f"resource show {type_}"])[0][1] if "pid" in one][0]
            which["number"] = (number, one[field], 0xffffffff)
        elif name.startswith("stat_"):
            which["kind"] = (netlink.STAT_RES, netlink.RES_QP, netlink.RES_PD)
            which["mode"] = (netlink.STAT_MODE, 1, 77)
            which["number"] = (netlink.RES_LQPN, a.number("qp"), 0xffffffff)
            which["counter"] = (netlink.STAT_COUNTER_ID, 1, 0xffffffff)
        answers = {}
        for choice in itertools.product(("good", "wrong", None), repeat=len(which)):
            given: list[tuple[int, int | bytes]] = []
            words = []
            for (word, (number, good, wrong)), how in zip(which.items(), choice):
                if how:
                    given.append((number, good if how == "good" else wrong))
                    words.append(f"{how} {word}")
            what = ", ".join(words) or "nothing"
            answers[what] = connection.answer(command, given)
            if not name.startswith("stat_set") and not name.startswith("stat_del"):
                answers[f"dump, {what}"] = connection.answer(command, given, netlink.DUMP)
        scene.note(name, **answers)
    connection.close()
    scene.capture("after")


@workload("rxe")
def kernel_nvme(scene: Scene) -> None:
    """NVMe over fabrics, both ends of it in this kernel."""
    scene.free_order = "two ends, in work queues of their own, make their objects at once"
    scene.device()
    run("modprobe", "-a", "null_blk", "nvmet-rdma", "nvme-rdma")
    scene.others.append(lambda: run(
        "modprobe", "-r", "nvme-rdma", "nvmet-rdma", "null_blk", check=False))
    if not os.path.ismount("/sys/kernel/config"):
        run("mount", "-t", "configfs", "none", "/sys/kernel/config")
    target = "/sys/kernel/config/nvmet"
    system, port = f"{target}/subsystems/compare", f"{target}/ports/1"

    def put(path: str, value: str) -> None:
        with open(path, "w", encoding="ascii") as file:
            file.write(value)

    os.makedirs(f"{system}/namespaces/1")
    put(f"{system}/attr_allow_any_host", "1")
    put(f"{system}/namespaces/1/device_path", "/dev/nullb0")
    put(f"{system}/namespaces/1/enable", "1")
    os.mkdir(port)
    for name, value in (("trtype", "rdma"), ("adrfam", "ipv4"), ("traddr", ADDRESS),
                        ("trsvcid", NVME_PORT)):
        put(f"{port}/addr_{name}", value)
    os.symlink(system, f"{port}/subsystems/compare")

    def undo() -> None:
        os.unlink(f"{port}/subsystems/compare")
        os.rmdir(port)
        os.rmdir(f"{system}/namespaces/1")
        os.rmdir(system)

    scene.others.append(undo)
    scene.wait_count(1, "cm_id", state="LISTEN")
    scene.capture("target")

    def disconnect() -> None:
        for name in os.listdir("/sys/class/nvme"):
            put(f"/sys/class/nvme/{name}/delete_controller", "1")

    fabric = os.open("/dev/nvme-fabrics", os.O_RDWR)
    scene.others.append(disconnect)
    os.write(fabric, f"transport=rdma,traddr={ADDRESS},trsvcid={NVME_PORT},nqn=compare,"
                     "nr_io_queues=2,queue_size=16,keep_alive_tmo=120".encode())
    os.close(fabric)
    scene.wait(lambda: os.path.exists("/dev/nvme0n1"), "the namespace is there")
    scene.wait_count(6, "cm_id", state="CONNECT")
    scene.capture_all_ways("connected")
    scene.actor("beside").set("dev0")
    scene.capture("and-a-process")
    disconnect()
    scene.wait_count(0, "cm_id", state="CONNECT")
    # The target frees its end later.
    scene.wait(lambda: scene.count("qp", state="RTS") == 1, "only ib_core has a QP in use")
    scene.wait_count(0, "mr", comm="nvme_rdma")
    scene.capture("disconnected")


@workload("rxe")
def kernel_rds(scene: Scene) -> None:
    """RDS, whose connection to itself stays open.

    This is the last workload: the module stays, because the kernel warns when it
    is unloaded after it has had a connection, and it uses every device there is.
    """
    scene.device()
    run("modprobe", "rds_rdma")
    scene.capture("loaded")
    sockets = []
    for port in (RDS_PORT, RDS_PORT + 1):
        one = socket.socket(socket.AF_RDS, socket.SOCK_SEQPACKET)
        one.bind((ADDRESS, port))
        one.settimeout(LIMIT)
        sockets.append(one)
    try:
        sockets[0].sendto(b"message", (ADDRESS, RDS_PORT + 1))
        data, _ = sockets[1].recvfrom(100)
        scene.note("message", got=data.decode())
        scene.capture_all_ways("connected")
    finally:
        for one in sockets:
            one.close()
