"""confined.py LIST COMMAND...: runs the command with a seccomp filter that kills it at a system call that LIST (a Markdown page) does not name in a code block."""
import ctypes
import os
import re
import struct
import sys

LOAD, JUMP_EQUAL, RETURN = 0x20, 0x15, 0x06
ALLOW, KILL = 0x7FFF0000, 0x80000000
X86_64 = 0xC000003E


def names(page):
    with open(page) as f:
        return sorted(set(re.findall(r"[a-z_0-9]+", " ".join(re.findall(r"```\n(.*?)```", f.read(), re.S)))))


def numbers(wanted):
    with open("/usr/include/x86_64-linux-gnu/asm/unistd_64.h") as f:
        known = dict(re.findall(r"#define __NR_(\w+)\s+(\d+)", f.read()))
    unknown = [n for n in wanted if n not in known]
    assert not unknown, f"no system calls: {unknown}"
    return [int(known[n]) for n in wanted]


def confine(allowed):
    def step(code, k, yes=0, no=0):
        return struct.pack("<HBBI", code, yes, no, k)

    program = step(LOAD, 4) + step(JUMP_EQUAL, X86_64, 1, 0) + step(RETURN, KILL) + step(LOAD, 0)
    for n in allowed:
        program += step(JUMP_EQUAL, n, 0, 1) + step(RETURN, ALLOW)
    program += step(RETURN, KILL)
    text = ctypes.create_string_buffer(program)
    head = struct.pack("<HxxxxxxQ", len(program) // 8, ctypes.addressof(text))
    libc = ctypes.CDLL(None, use_errno=True)
    assert libc.prctl(38, 1, 0, 0, 0) == 0, "PR_SET_NO_NEW_PRIVS"
    assert libc.prctl(22, 2, ctypes.create_string_buffer(head)) == 0, os.strerror(ctypes.get_errno())


if __name__ == "__main__":
    confine(numbers(names(sys.argv[1])))
    os.execv(sys.argv[2], sys.argv[2:])
