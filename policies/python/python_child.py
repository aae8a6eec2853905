"""The process of a policy in an interpreter of the user's; follows python_walls.py in one program.

Messages are those of the sandbox's process (frame.ts). The policy runs in this very process and can
write messages, too: what it gains by that is to answer, which it does anyway. What holds it are the
walls around the process and what is taken from it here before its first line.
"""
import resource

REPLY, END = 3, 4


def main():
    held = problem()
    incoming = os.fdopen(os.dup(0), "rb")
    outgoing = os.fdopen(os.dup(1), "wb")
    nothing = os.open(os.devnull, os.O_RDWR)
    os.dup2(nothing, 0)
    os.dup2(nothing, 1)
    nonce, asker = bytes(16), None
    while len(header := incoming.read(32)) == 32:
        sequence, length = struct.unpack_from("<II", header, 8)
        body = incoming.read(length)
        if asker is None:
            hello = json.loads(body)
            nonce = bytes.fromhex(hello["nonce"])
            limit(hello)
            asker = Asker(**json.loads(hello["source"]))
            reply = asker.load() if held is None else "L" + held
        else:
            reply = asker.ask(body)
        kind = REPLY
        if asker.exhausted:
            kind, reply = END, "memory"
        elif len(reply) > hello["messageBytes"]:
            reply = "B"
        data = reply if isinstance(reply, bytes) else reply.encode()
        outgoing.write(b"KVRP" + bytes([1, kind, 0, 0]) + struct.pack("<II", sequence, len(data)))
        outgoing.write(nonce + data)
        outgoing.flush()


def problem():
    """Stays behind walls, where there are some; why that cannot be, or None."""
    if "walled" not in sys.argv:
        return None
    try:
        wall_in()
    except (ImportError, OSError) as error:
        return f"its interpreter cannot be kept from calls that lead around its walls: {error}"
    return None


def limit(hello):
    for what, most in (
        (resource.RLIMIT_DATA, hello["memoryBytes"]),
        (resource.RLIMIT_NPROC, 256),
        (resource.RLIMIT_FSIZE, 2**26),
        (resource.RLIMIT_NOFILE, 256),
        (resource.RLIMIT_CORE, 0),
    ):
        resource.setrlimit(what, (most, most))
    # Its own stack is not in RLIMIT_DATA.
    now, _ = resource.getrlimit(resource.RLIMIT_STACK)
    most = 2**26 if now == resource.RLIM_INFINITY else min(now, 2**26)
    resource.setrlimit(resource.RLIMIT_STACK, (most, most))


main()
