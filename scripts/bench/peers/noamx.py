"""Refuses AMX to this process and its children: no gateway has it, so that a comparison on a server must not use it.

Linux hands out the tile registers on request only: arch_prctl(ARCH_REQ_XCOMP_PERM). A seccomp filter that answers this one call with EPERM makes every engine
choose the kernels that it has for a CPU without AMX.
"""
import ctypes
import platform
import struct

_ARCH_PRCTL, _REQUEST = 158, 0x1023             # the system call's number on x86-64, and its first argument
_X86_64 = 0xC000003E                            # AUDIT_ARCH_X86_64
_LOAD, _EQUAL, _RETURN = 0x20, 0x15, 0x06       # BPF: load a word of seccomp_data, jump if equal, return
_ALLOW, _EPERM = 0x7FFF0000, 0x00050001
_NR, _ARCH, _ARG0 = 0, 4, 16                    # offsets in seccomp_data
_NO_NEW_PRIVS, _SET_SECCOMP, _FILTER = 38, 22, 2


class _Program(ctypes.Structure):
    _fields_ = [("length", ctypes.c_ushort), ("code", ctypes.c_void_p)]


def refuse():
    """Installs the filter. Threads that run already keep their rights: call it before an engine is imported."""
    if platform.machine() != "x86_64":
        return
    tests = [(_ARCH, _X86_64), (_NR, _ARCH_PRCTL), (_ARG0, _REQUEST)]
    code = b""
    for i, (offset, want) in enumerate(tests):
        otherwise = 2 * (len(tests) - i) - 1    # jump over the tests that are left and the refusal
        code += struct.pack("=HBBI", _LOAD, 0, 0, offset) + struct.pack("=HBBI", _EQUAL, 0, otherwise, want)
    code += struct.pack("=HBBI", _RETURN, 0, 0, _EPERM) + struct.pack("=HBBI", _RETURN, 0, 0, _ALLOW)
    memory = ctypes.create_string_buffer(code)
    program = _Program(len(code) // 8, ctypes.addressof(memory))
    libc = ctypes.CDLL(None, use_errno=True)
    if libc.prctl(_NO_NEW_PRIVS, 1, 0, 0, 0) or libc.prctl(_SET_SECCOMP, _FILTER, ctypes.byref(program), 0, 0):
        raise OSError(ctypes.get_errno(), "cannot refuse AMX: seccomp")
    if libc.syscall(_ARCH_PRCTL, _REQUEST, 18) == 0:
        raise OSError("AMX was granted in spite of the filter")
