"""What the process of a policy gives up before the policy's first line, where bubblewrap holds it.

Bubblewrap hides files, processes and networks; all sandboxes still share one kernel, and some of its
calls tell one of them what another one did: locks on a file that both can read, keys, notices of
files that were opened, which pages of a file are in memory. Others reach devices, or memory that no
limit counts. A filter of system calls (seccomp) refuses them. Follows ask_policy.py in one program.
"""
import errno
import os
import struct

# Numbers on x86_64 and aarch64 (asm/unistd_64.h and asm-generic/unistd.h of Linux); -1 is none.
REFUSED = {
    # What a process tells another through the kernel.
    "flock": (73, 32),
    "keyctl": (250, 219),
    "add_key": (248, 217),
    "request_key": (249, 218),
    "inotify_init": (253, -1),
    "inotify_init1": (294, 26),
    "fanotify_init": (300, 262),
    "mincore": (27, 232),
    "fadvise64": (221, 223),
    "readahead": (187, 213),
    "syslog": (103, 116),
    # Memory that RLIMIT_DATA does not count.
    "memfd_create": (319, 279),
    "memfd_secret": (447, 447),
    "shmget": (29, 194),
    # Walls of one's own, in which more is allowed.
    "unshare": (272, 97),
    "setns": (308, 268),
    "mount": (165, 40),
    "umount2": (166, 39),
    "pivot_root": (155, 41),
    "open_tree": (428, 428),
    "move_mount": (429, 429),
    "fsopen": (430, 430),
    "fsconfig": (431, 431),
    "fsmount": (432, 432),
    "fspick": (433, 433),
    "mount_setattr": (442, 442),
    # What programs in user mode seldom need, and attacks on the kernel do.
    "ptrace": (101, 117),
    "perf_event_open": (298, 241),
    "bpf": (321, 280),
    "userfaultfd": (323, 282),
}
# As if the kernel were older: libraries then do without.
MISSING = {
    "preadv2": (327, 286),
    "io_uring_setup": (425, 425),
    "io_uring_enter": (426, 426),
    "io_uring_register": (427, 427),
    # Its flags lie in memory, where a filter cannot see them; clone is used instead.
    "clone3": (435, 435),
    "futex_waitv": (449, 449),
    "cachestat": (451, 451),
    "futex_wake": (454, 454),
    "futex_wait": (455, 455),
    "futex_requeue": (456, 456),
}
MACHINES = {"x86_64": (0, 0xC000003E), "aarch64": (1, 0xC00000B7)}

LOAD, AND, EQUAL, AT_LEAST, RETURN = 0x20, 0x54, 0x15, 0x35, 0x06
ALLOW, REFUSE = 0x7FFF0000, 0x00050000


def filter_of(machine):
    """The filter, in the instructions of classic BPF."""
    which, architecture = MACHINES[machine]
    refuse = lambda error: (RETURN, 0, 0, REFUSE | error)
    allow = (RETURN, 0, 0, ALLOW)
    argument = lambda index: (LOAD, 0, 0, 16 + 8 * index)

    def one_of(values, inside, otherwise):
        """Jumps to one of two instructions, after a value was loaded."""
        tests = [(EQUAL, len(values) - i, 0, value) for i, value in enumerate(values)]
        return [*tests, otherwise, inside]

    # Locks, leases and notices; F_GETLK even tells where another's lock begins and ends.
    locks = [5, 6, 7, 36, 37, 38, 1024, 1025, 1026]
    # AF_UNIX, AF_INET, AF_INET6 and AF_NETLINK: bubblewrap's network has nobody else in it. Others,
    # such as AF_VSOCK, lead out of it.
    families = [1, 2, 10, 16]
    # A thread that ends is waited for with a futex that is not private; nobody needs to wake by one.
    waits = [0, 9, 256, 265]
    new_spaces, private = 0x7E020000, 128
    # Memory without a file that is shared, or that grows downwards as a stack does, is not counted.
    shared, stack = 0x21, 0x100
    looked_at = {
        (72, 25): [argument(1), *one_of(locks, refuse(errno.EPERM), allow)],
        (41, 198): [argument(0), *one_of(families, allow, refuse(errno.EAFNOSUPPORT))],
        (56, 220): [
            *(argument(0), (AND, 0, 0, new_spaces), (EQUAL, 1, 0, 0)),
            *(refuse(errno.EPERM), allow),
        ],
        (9, 222): [
            *(argument(3), (AND, 0, 0, shared), (EQUAL, 3, 0, shared)),
            *(argument(3), (AND, 0, 0, stack), (EQUAL, 1, 0, 0)),
            *(refuse(errno.ENOMEM), allow),
        ],
        (202, 98): [
            *(argument(1), (AND, 0, 0, private), (EQUAL, 1, 0, 0), allow),
            *(argument(1), *one_of(waits, allow, refuse(errno.EPERM))),
        ],
    }
    rules = [((LOAD, 0, 0, 4), (EQUAL, 1, 0, architecture), refuse(errno.ENOSYS), (LOAD, 0, 0, 0))]
    if machine == "x86_64":
        # Its second set of numbers (x32).
        rules.append([(AT_LEAST, 0, 1, 0x40000000), refuse(errno.ENOSYS)])
    for calls, error in ((REFUSED, errno.EPERM), (MISSING, errno.ENOSYS)):
        for numbers in calls.values():
            if numbers[which] >= 0:
                rules.append([(EQUAL, 0, 1, numbers[which]), refuse(error)])
    for numbers, rule in looked_at.items():
        rules.append([(EQUAL, 0, len(rule), numbers[which]), *rule])
    return [*(step for rule in rules for step in rule), allow]


def wall_in():
    """Closes what the evaluator has left open, and refuses the calls above from now on."""
    import ctypes  # Not every interpreter has it.

    for number in os.listdir("/proc/self/fd"):
        if int(number) > 2:
            try:
                os.close(int(number))
            except OSError:
                pass
    machine = os.uname().machine
    if machine not in MACHINES:
        raise OSError(f"no calls are known of {machine}, but of {' and '.join(MACHINES)}")
    steps = filter_of(machine)
    code = ctypes.create_string_buffer(b"".join(struct.pack("<HBBI", *step) for step in steps))
    program = ctypes.create_string_buffer(struct.pack("@HP", len(steps), ctypes.addressof(code)))
    set_seccomp, by_filter = 22, 2
    none = ctypes.c_ulong(0)
    library = ctypes.CDLL(None, use_errno=True)
    if library.prctl(set_seccomp, ctypes.c_ulong(by_filter), program, none, none) != 0:
        raise OSError(ctypes.get_errno(), os.strerror(ctypes.get_errno()))
