"""Tries every door that leads out of the sandbox; one that opens is an error."""
import ctypes, importlib, os, socket, subprocess, urllib.request

import js
import pyodide.code
import pyodide_js

def opened(door):
    try:
        door()
    except BaseException:
        return False
    return True

GLOBALS = ["Deno", "process", "fetch", "require", "Worker", "XMLHttpRequest", "WebSocket", "navigator"]
GLOBALS += ["SharedArrayBuffer", "Atomics", "caches", "BroadcastChannel", "Function", "window", "self"]
DOORS = {
    **{f"js.{name}": (lambda name=name: getattr(js, name)("x")) for name in GLOBALS},
    "makes code": lambda: js.Object.constructor("return 1")(),
    "eval": lambda: js.eval("1"),
    "run_js": lambda: pyodide.code.run_js("1"),
    "host process": lambda: pyodide_js.constructor.constructor("return process")().pid,
    "file": lambda: open("/etc/passwd").read(),
    "its folder": lambda: open("/proc/self/environ").read(),
    "program": lambda: subprocess.run(["/bin/true"], check=True),
    "system": lambda: 0 if os.system("true") == 0 else 1 / 0,
    "fork": lambda: os.fork(),
    "connection": lambda: socket.create_connection(("127.0.0.1", 1), 1),
    "page": lambda: urllib.request.urlopen("http://127.0.0.1:1"),
    "library": lambda: ctypes.CDLL("libc.so.6").getpid(),
    "package": lambda: importlib.import_module("micropip"),
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
