"""Tries every door that leads out; one that opens is an error."""
import ctypes, os, socket, subprocess

def opened(door):
    try:
        return bool(door())
    except BaseException:
        return False

def listens():
    with socket.create_connection(("127.0.0.1", int(PORT)), 1):
        return True

def writes(path):
    def door():
        with open(path, "w") as file:
            file.write("x")
        return True

    return door

DOORS = {
    "files of the user": lambda: os.path.exists(HOME) and os.listdir(HOME),
    "folder of the evaluator": lambda: os.path.exists(CWD),
    "its environment": lambda: {*os.environ} - set("PATH HOME LANG PWD LC_CTYPE PYTHONHASHSEED PYTHONDONTWRITEBYTECODE".split()),
    "passwords": lambda: open("/etc/passwd").read(),
    "other processes": lambda: len([n for n in os.listdir("/proc") if n.isdigit()]) > 3,
    "parent": lambda: os.kill(os.getppid(), 0) if os.getppid() > 1 else 0,
    "connection": listens,
    "name": lambda: socket.getaddrinfo("example.com", 80),
    "interfaces": lambda: [n for _, n in socket.if_nameindex() if n != "lo"],
    "root": writes("/x"),
    "system": writes("/usr/x"),
    "devices": writes("/dev/x"),
    "mount": lambda: ctypes.CDLL(None, use_errno=True).mount(b"t", b"/tmp", b"tmpfs", 0, b"") == 0,
    "capabilities": lambda: int(open("/proc/self/status").read().split("CapEff:")[1].split()[0], 16),
    "program": lambda: subprocess.run(["mount", "-o", "remount,rw", "/"], capture_output=True).returncode == 0,
}

class AdaptiveQuantPolicy:
    def choose_bits(self, layer_id, kv_kind, head_group, token_stats, budget_state):
        open_doors = [name for name, door in DOORS.items() if opened(door)]
        if open_doors: raise RuntimeError(f"open: {open_doors}")
        return 4

    def choose_axis(self, layer_id, kv_kind):
        return "token"

    def residual_length(self, layer_id, request_meta):
        return 0

    def calibration_mode(self, workload_meta, budget_state):
        return "none"
