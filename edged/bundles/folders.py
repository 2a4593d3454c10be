"""Files below a folder, opened part by part so that no link in between can lead out of it."""

from __future__ import annotations

import os
import stat
from collections.abc import Iterator
from contextlib import contextmanager

from .names import check_path, shown
from .refusal import BundleRefused

_FOLDER = os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC
# Non-blocking, so that a pipe in a file's place does not stop us.
_FILE = os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC


@contextmanager
def folder_at(root: int, parts: tuple[str, ...], *, make: bool = False) -> Iterator[int]:
    """A descriptor of the folder ``parts`` below the one behind ``root``. Raises ``OSError``; a link is one."""
    here = os.dup(root)
    try:
        for part in parts:
            if make:
                try:
                    os.mkdir(part, 0o755, dir_fd=here)
                except FileExistsError:
                    made = False
                else:
                    made = True
            below = os.open(part, _FOLDER, dir_fd=here)
            os.close(here)
            here = below
            if make and made:
                os.fchmod(here, 0o755)  # whatever the umask
        yield here
    finally:
        os.close(here)


def open_file(root: int, parts: tuple[str, ...]) -> tuple[int, int]:
    """(descriptor, size) of a regular file. Raises ``OSError``, or ``BundleRefused`` for what is no plain file."""
    with folder_at(root, parts[:-1]) as folder:
        descriptor = os.open(parts[-1], _FILE, dir_fd=folder)
    status = os.fstat(descriptor)
    if not stat.S_ISREG(status.st_mode):
        os.close(descriptor)
        raise BundleRefused("special_file", f"{shown('/'.join(parts))} is not a regular file")
    return descriptor, status.st_size


def scan(root: int, most: int) -> dict[str, int]:
    """path -> size of every file below ``root``; at most ``most`` files and as many folders.

    Raises ``BundleRefused`` for links, special files and names that no bundle may hold, and ``OSError``.
    """
    found: dict[str, int] = {}
    waiting: list[tuple[str, ...]] = [()]
    folders = 0
    while waiting:
        parts = waiting.pop()
        with folder_at(root, parts) as descriptor, os.scandir(descriptor) as entries:
            for entry in entries:
                path = "/".join((*parts, entry.name))
                status = entry.stat(follow_symlinks=False)
                if stat.S_ISLNK(status.st_mode):
                    raise BundleRefused("link", f"{shown(path)} is a symbolic link")
                if stat.S_ISDIR(status.st_mode):
                    folders += 1
                    waiting.append(check_path(path))
                elif stat.S_ISREG(status.st_mode):
                    found[path] = status.st_size
                else:
                    raise BundleRefused("special_file", f"{shown(path)} is a device, pipe or socket")
                if len(found) > most or folders > most:
                    raise BundleRefused("too_many_files", f"there are more than {most} files or folders")
    return found
