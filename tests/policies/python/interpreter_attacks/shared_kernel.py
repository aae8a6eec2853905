"""Tries what leads around walls of namespaces: all sandboxes share one kernel."""
import ctypes, fcntl, mmap, os, resource, socket, struct, subprocess, threading

SHARED = "/usr/bin/env"
LIBC = ctypes.CDLL(None, use_errno=True)

def opened(door):
    try:
        return door() is not False
    except BaseException:
        return False

def lock(command, kind):
    def door():
        with open(SHARED, "rb") as file:
            return fcntl.fcntl(file, command, struct.pack("hhqqi4x", kind, 0, 1000, 77, 0))

    return door

def whole_file():
    with open(SHARED, "rb") as file:
        fcntl.flock(file, fcntl.LOCK_SH | fcntl.LOCK_NB)
    return True

def called(name, *given):
    """A call by its name in the C library."""
    return lambda: getattr(LIBC, name)(*given) >= 0

def in_child(door):
    def tried():
        pid = os.fork()
        if pid == 0:
            os._exit(0 if opened(door) else 1)
        return os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]) == 0

    return tried

def syscall(x86_64, aarch64, *given):
    number = x86_64 if os.uname().machine == "x86_64" else aarch64
    return lambda: LIBC.syscall(number, *given) >= 0

def takes(megabytes, fd=-1):
    return lambda: mmap.mmap(fd, megabytes << 20)

def writes(path):
    def door():
        with open(path) as file:
            now = file.read()
        with open(path, "w") as file:
            file.write(now)
        return True

    return door

def pages_in_memory():
    with open(SHARED, "rb") as file:
        return os.preadv(file.fileno(), [bytearray(9)], 0, os.RWF_NOWAIT)

def wakes_others():
    with open(SHARED, "rb") as file:
        LIBC.mmap.restype = ctypes.c_void_p
        address = LIBC.mmap(None, ctypes.c_size_t(4096), 1, 1, file.fileno(), ctypes.c_long(0))
    return syscall(202, 98, ctypes.c_void_p(address), 1, 1)()

DOORS = {
    "a lock on a range": lock(fcntl.F_SETLK, fcntl.F_RDLCK),
    "others' locks": lock(fcntl.F_GETLK, fcntl.F_WRLCK),
    "open file locks": lock(37, fcntl.F_RDLCK),
    "a lock on a file": whole_file,
    "keys": syscall(248, 217, b"user", b"kvreplay-test", b"x", ctypes.c_size_t(1), -1),
    "notices": called("inotify_init1", 0),
    "pages in memory": pages_in_memory,
    "futex of a file": wakes_others,
    "machine outside": lambda: socket.socket(40, socket.SOCK_STREAM),
    "io_uring": syscall(425, 425, 4, ctypes.create_string_buffer(120)),
    "user namespace": in_child(called("unshare", 0x10000000)),
    "user namespace by clone": in_child(syscall(56, 220, 0x10000000 | 17, 0, 0, 0, 0)),
    "shared memory": takes(1),
    "shared memory of a device": lambda: takes(1, os.open("/dev/zero", os.O_RDWR))(),
    "memory as a stack": lambda: mmap.mmap(-1, 4096, flags=0x122),
    "a longer stack": lambda: resource.setrlimit(resource.RLIMIT_STACK, (2**30, 2**30)),
    "memory as a file": lambda: os.memfd_create("x"),
    "memory of System V": called("shmget", 0, ctypes.c_size_t(4096), 0o1600),
    "settings of the kernel": writes("/proc/sys/kernel/printk_ratelimit"),
    "itself": writes("/proc/self/oom_score_adj"),
    "x32": syscall(0x40000000 | 39, -1),
}

def still_works():
    """What honest files do."""
    thread = threading.Thread(target=lambda: None)
    thread.start()
    thread.join()
    assert subprocess.run(["/bin/true"]).returncode == 0
    with open("/tmp/x", "wb") as file:
        file.write(bytes(4096))
    with open("/tmp/x", "r+b") as file, mmap.mmap(file.fileno(), 4096) as page:
        page[0] = 1
    assert len(mmap.mmap(-1, 4096, flags=mmap.MAP_PRIVATE | mmap.MAP_ANONYMOUS)) == 4096
    left, right = socket.socketpair()
    left.send(b"x")
    assert right.recv(1) == b"x"

class AdaptiveQuantPolicy:
    def choose_bits(self, layer_id, kv_kind, head_group, token_stats, budget_state):
        open_doors = [name for name, door in DOORS.items() if opened(door)]
        if open_doors: raise RuntimeError(f"open: {open_doors}")
        still_works()
        return 4

    def choose_axis(self, layer_id, kv_kind):
        return "token"

    def residual_length(self, layer_id, request_meta):
        return 0

    def calibration_mode(self, workload_meta, budget_state):
        return "none"
