"""The walls of the second tier, as Linux offers them to anyone: namespaces, Landlock, seccomp, limits.

Each is set up by a system call through ctypes; `WallFailed` says which the machine does not allow.

- A user namespace gives the right to make the others: network (no interface), processes (nobody outside is seen, and
  all inside end with the first), mounts (all read-only, but for a small file system in memory), IPC.
- Landlock (ABI 3, Linux 6.2) lets code open the standard library, the system's libraries and its own folder only.
- seccomp takes away what the others leave: new processes and programs, sockets of any family, ptrace and the memory of
  others, io_uring, changes of modes, owners, times and attributes of files, keys, mounts, new namespaces.
- Limits bound time, memory, threads, open files and the size of a file.

Sources: landlock(7), seccomp(2), user_namespaces(7), the tables of system calls of Linux.
"""

from __future__ import annotations

import ctypes
import os
import platform
import resource
import struct
import sysconfig

_LIBC = ctypes.CDLL(None, use_errno=True)
_NEWNS, _NEWIPC, _NEWUSER, _NEWPID, _NEWNET = 0x20000, 0x8000000, 0x10000000, 0x20000000, 0x40000000
_NOSUID, _NODEV, _NOEXEC, _REC, _PRIVATE = 2, 4, 8, 0x4000, 0x40000
_PDEATHSIG, _DUMPABLE, _SECCOMP, _NO_NEW_PRIVS = 1, 4, 22, 38
_AT_FDCWD, _AT_RECURSIVE = -100, 0x8000
_NOBODY = 65534
LEAST_LANDLOCK = 3
"""The first version that bounds the truncation of files, too."""

_READ = 1 << 2 | 1 << 3
_FILE_ONLY = 1 << 0 | 1 << 1 | 1 << 2 | 1 << 14 | 1 << 15


class WallFailed(Exception):
    """The machine does not allow one of the walls; says which, and what the system said."""


def _checked(result: int, what: str) -> int:
    if result < 0:
        raise WallFailed(f"{what} ({os.strerror(ctypes.get_errno())})")
    return result


def _syscall(number: int, *arguments: object) -> int:
    return int(_LIBC.syscall(ctypes.c_long(number), *arguments))


def die_with_parent() -> None:
    """Have the kernel end this process when its parent ends."""
    _LIBC.prctl(_PDEATHSIG, 9, 0, 0, 0)


def enter_namespaces(folder: str, size: int) -> None:
    """Enter namespaces of its own; the next child is the first process of the new one of processes.

    `folder` becomes an empty file system in memory of at most `size` bytes, and nothing else can be written.
    """
    user, group = os.getuid(), os.getgid()
    _checked(
        _LIBC.unshare(_NEWUSER | _NEWPID | _NEWNET | _NEWNS | _NEWIPC), "no user namespace can be made here"
    )
    for name, text in (
        ("setgroups", "deny"),
        ("uid_map", f"{_NOBODY} {user} 1"),
        ("gid_map", f"{_NOBODY} {group} 1"),
    ):
        try:
            with open(f"/proc/self/{name}", "w") as file:
                file.write(text)
        except OSError as error:
            raise WallFailed(f"the user namespace has no {name} ({error.strerror})") from None
    _checked(_LIBC.mount(None, b"/", None, _REC | _PRIVATE, None), "no mount can be made private")
    # struct mount_attr: set MOUNT_ATTR_RDONLY on all.
    read_only = struct.pack("QQQQ", 1, 0, 0, 0)
    _checked(
        _syscall(442, _AT_FDCWD, b"/", _AT_RECURSIVE, read_only, ctypes.c_size_t(len(read_only))),
        "the file systems cannot be made read-only",
    )
    options = f"size={size},nr_inodes=1024,mode=700".encode()
    _checked(
        _LIBC.mount(b"sandbox", os.fsencode(folder), b"tmpfs", _NOSUID | _NODEV | _NOEXEC, options),
        "no file system in memory can be mounted",
    )
    os.chdir(folder)


def guard() -> None:
    """Keep this process, which watches the code, from being traced by it."""
    _LIBC.prctl(_DUMPABLE, 0, 0, 0, 0)


def limit(seconds: float, memory: int, files: int) -> None:
    """Bound what this process may take; the last of the memory is left for telling that it is full."""
    whole = int(seconds) + 1
    for name, soft, hard in (
        ("RLIMIT_AS", memory, memory + (32 << 20)),
        ("RLIMIT_CPU", whole, whole + 1),
        ("RLIMIT_FSIZE", files, files),
        ("RLIMIT_NOFILE", 64, 64),
        ("RLIMIT_NPROC", 64, 64),
        ("RLIMIT_CORE", 0, 0),
        ("RLIMIT_MEMLOCK", 0, 0),
        ("RLIMIT_MSGQUEUE", 0, 0),
    ):
        kind = getattr(resource, name)
        most = resource.getrlimit(kind)[1]
        if most != resource.RLIM_INFINITY:
            soft, hard = min(soft, most), min(hard, most)
        resource.setrlimit(kind, (soft, hard))


def give_up_rights(folder: str) -> None:
    """Drop every capability, then shut this process in by Landlock and seccomp; there is no way back."""
    header = struct.pack("Ii", 0x20080522, 0)
    _checked(_LIBC.capset(header, bytes(24)), "the capabilities cannot be dropped")
    _checked(_LIBC.prctl(_NO_NEW_PRIVS, 1, 0, 0, 0), "new privileges cannot be forbidden")
    _landlock(folder)
    _seccomp()


def _landlock(folder: str) -> None:
    version = _syscall(444, None, ctypes.c_size_t(0), 1)
    _checked(version, "the kernel has no Landlock, or it is not turned on")
    if version < LEAST_LANDLOCK:
        raise WallFailed(f"the kernel's Landlock is too old: version {version}, {LEAST_LANDLOCK} is needed")
    all_of_files = (1 << (16 if version >= 5 else 15)) - 1
    rules = struct.pack("Q", all_of_files)
    if version >= 4:
        rules += struct.pack("Q", 3)  # TCP: bind and connect
    if version >= 6:
        rules += struct.pack("Q", 3)  # abstract unix sockets and signals
    ruleset = _checked(
        _syscall(444, rules, ctypes.c_size_t(len(rules)), 0), "no Landlock ruleset can be made"
    )
    paths = sysconfig.get_paths()
    readable = {paths["stdlib"], paths["platstdlib"], "/lib", "/lib64", "/usr/lib", "/usr/lib64"}
    readable |= {"/etc/ld.so.cache", "/usr/share/zoneinfo"}
    opened = [(path, _READ) for path in sorted(readable) if os.path.exists(path)]
    for path, allowed in (*opened, ("/dev/null", 1 << 1 | 1 << 2), (folder, all_of_files & ~1)):
        place = os.open(path, os.O_PATH | os.O_CLOEXEC)
        if not os.path.isdir(path):
            allowed &= _FILE_ONLY
        rule = struct.pack("=Qi", allowed, place)
        _checked(_syscall(445, ruleset, 1, rule, 0), f"Landlock cannot be told of {path}")
        os.close(place)
    _checked(_syscall(446, ruleset, 0), "Landlock cannot be turned on")
    os.close(ruleset)


# System calls that are denied: the name, its number on x86_64 and on aarch64; "-" where there is none.
_DENIED = """
# processes and programs
fork 57 -
vfork 58 -
execve 59 221
execveat 322 281
# other processes
ptrace 101 117
process_vm_readv 310 270
process_vm_writev 311 271
process_madvise 440 440
pidfd_getfd 438 438
kcmp 312 272
move_pages 279 239
migrate_pages 256 238
mbind 237 235
# the network
socket 41 198
connect 42 203
bind 49 200
listen 50 201
accept 43 202
accept4 288 242
# memory that no limit counts
memfd_create 319 279
memfd_secret 447 447
shmget 29 194
shmat 30 196
shmctl 31 195
semget 64 190
msgget 68 186
mq_open 240 180
# ways around a filter
io_uring_setup 425 425
io_uring_enter 426 426
io_uring_register 427 427
bpf 321 280
userfaultfd 323 282
perf_event_open 298 241
personality 135 92
modify_ldt 154 -
# modes, owners, times and attributes of files, which Landlock leaves
chmod 90 -
fchmod 91 52
fchmodat 268 53
fchmodat2 452 452
chown 92 -
fchown 93 55
lchown 94 -
fchownat 260 54
utime 132 -
utimes 235 -
futimesat 261 -
utimensat 280 88
setxattr 188 5
lsetxattr 189 6
fsetxattr 190 7
setxattrat 463 463
removexattr 197 14
lremovexattr 198 15
fremovexattr 199 16
removexattrat 466 466
file_setattr 469 469
name_to_handle_at 303 264
open_by_handle_at 304 265
fanotify_init 300 262
# mounts and namespaces
mount 165 40
umount2 166 39
pivot_root 155 41
chroot 161 51
unshare 272 97
setns 308 268
open_tree 428 428
open_tree_attr 467 467
move_mount 429 429
fsopen 430 430
fsconfig 431 431
fsmount 432 432
fspick 433 433
mount_setattr 442 442
# the machine
add_key 248 217
request_key 249 218
keyctl 250 219
acct 163 89
quotactl 179 60
quotactl_fd 443 443
swapon 167 224
swapoff 168 225
reboot 169 142
sethostname 170 161
setdomainname 171 162
iopl 172 -
ioperm 173 -
init_module 175 105
finit_module 313 273
delete_module 176 106
kexec_load 246 104
kexec_file_load 320 294
syslog 103 116
settimeofday 164 170
clock_settime 227 112
adjtimex 159 171
clock_adjtime 305 266
vhangup 153 58
"""
_MACHINES = {"x86_64": (0xC000003E, 56), "aarch64": (0xC00000B7, 220)}
"""By machine its audit architecture, and the number of clone."""
_CLONE3 = 435
_CLONE_THREAD = 0x10000
_ALLOW, _KILL, _ERRNO, _EPERM, _ENOSYS = 0x7FFF0000, 0x80000000, 0x50000, 1, 38


def _seccomp() -> None:
    machine = platform.machine()
    if machine not in _MACHINES:
        raise WallFailed(f"its table of system calls knows x86_64 and aarch64, not {machine}")
    architecture, clone = _MACHINES[machine]
    column = 1 + list(_MACHINES).index(machine)
    rows = [line.split() for line in _DENIED.splitlines() if line and not line.startswith("#")]
    denied = [int(row[column]) for row in rows if row[column] != "-"]
    load, equal, at_least, any_bit, give = 0x20, 0x15, 0x35, 0x45, 0x06

    def step(code: int, value: int, yes: int = 0, no: int = 0) -> bytes:
        return struct.pack("HBBI", code, yes, no, value)

    program = [step(load, 4)]  # the architecture
    program += [step(equal, architecture, 1, 0), step(give, _KILL), step(load, 0)]  # then the call's number
    program += [step(at_least, 0x40000000, 0, 1), step(give, _KILL)]  # x32's numbers
    # glibc tries clone3 first, whose flags lie in memory that a filter cannot read, and then clone.
    program += [step(equal, _CLONE3, 0, 1), step(give, _ERRNO | _ENOSYS)]
    for number in denied:
        program += [step(equal, number, 0, 1), step(give, _ERRNO | _EPERM)]
    program += [step(equal, clone, 0, 3), step(load, 16), step(any_bit, _CLONE_THREAD, 1, 0)]
    program += [step(give, _ERRNO | _EPERM), step(give, _ALLOW)]
    code = ctypes.create_string_buffer(b"".join(program), 8 * len(program))
    filter_ = struct.pack("HxxxxxxQ", len(program), ctypes.addressof(code))
    _checked(_LIBC.prctl(_SECCOMP, 2, filter_, 0, 0), "seccomp cannot be turned on")
