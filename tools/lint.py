#!/usr/bin/env python3
"""Checks the rules of the project that neither compiler nor formatter knows.

  tools/lint.py              checks the whole tree
  tools/lint.py --self-test  checks the checks

The rules:
  * Includes. Every folder has a rank; a file includes its own folder,
    include/paceline/ and folders of a lower rank. Public headers include only
    public headers and the standard library. Tests may also include
    test/support/. Files in test/ and fuzz/ may include everything.
  * Seams. In src/, threads and locks come from src/base/sync.h, atomics stay
    in src/base/ (and the public headers), system I/O stays in src/env/. That
    is what lets a simulated disk and a seeded scheduler stand in for the
    machine. Tests beside the code are free to use threads and files.
  * Form. A header has #pragma once and starts with a comment, and so does a
    .cc file without a header of its own. No tabs, no line over 80 columns
    (except for an address that cannot be broken), a newline at the end.
  * Documents. The first program in README.md is docs/first_program.cc, and
    the links between documents lead somewhere.

Prints one "file:line: message" for each violation and exits with 1 if there
was any.
"""

import os
import re
import subprocess
import sys

RANKS = {
    "src/base": 1,
    "src/env": 2,
    "src/format": 2,
    "src/commit": 3,
    "src/wal": 3,
    "src/memtable": 3,
    "src/table": 3,
    "src/version": 4,
    "src/compaction": 5,
    "src/db": 6,
    "cli": 7,
    "bench": 7,
}
PUBLIC = "include/paceline"
TEST_LIBRARIES = ("gtest/", "gmock/", "rapidcheck", "benchmark/")
CODE_FOLDERS = ("include", "src", "cli", "bench", "test", "fuzz", "docs")
MAX_COLUMNS = 80

# The C++ standard library as public headers may use it.
STANDARD_HEADERS = frozenset("""
    algorithm any array atomic bit bitset cassert cerrno cctype charconv chrono
    cinttypes climits cmath compare concepts condition_variable cstdarg cstddef
    cstdint cstdio cstdlib cstring ctime deque exception expected filesystem
    forward_list fstream functional future initializer_list iomanip ios iosfwd
    iostream istream iterator limits list map memory mutex new numeric optional
    ostream queue random ranges ratio set shared_mutex span sstream stack
    stdexcept stop_token streambuf string string_view system_error thread tuple
    type_traits typeindex typeinfo unordered_map unordered_set utility valarray
    variant vector version""".split())

INCLUDE = re.compile(r'^\s*#\s*include\s*([<"])([^>"]+)[>"]')

# Where the seams are; each rule is (pattern, allowed places, what to use).
THREADS = re.compile(
    r"std::(?:\w*mutex|condition_variable(?:_any)?|j?thread|this_thread|"
    r"lock_guard|unique_lock|scoped_lock|shared_lock|call_once|once_flag|"
    r"counting_semaphore|binary_semaphore|latch|barrier|async|future|promise)"
    r"\b")
ATOMICS = re.compile(r"std::atomic\w*")
FENCES = re.compile(r"std::atomic_(?:thread|signal)_fence\b|"
                    r"std::atomic<\s*std::shared_ptr\b")
SYSTEM_CALLS = (
    "open openat creat close read pread preadv write pwrite pwritev fsync "
    "fdatasync sync_file_range posix_fallocate fallocate ftruncate truncate "
    "mmap munmap msync mremap rename renameat unlink unlinkat link symlink "
    "mkdir rmdir opendir readdir stat fstat lstat statfs fstatfs fcntl flock "
    "lseek access getpid nanosleep usleep clock_gettime gettimeofday").split()
# A call in the global namespace, or of a name that nothing else has.
GLOBAL_CALL = re.compile(r"(?<![\w>:])::(?:%s)\s*\(" % "|".join(SYSTEM_CALLS))
PLAIN_CALL = re.compile(
    r"(?<![\w.>:])(?:fopen|freopen|fdopen|openat|pwritev?|preadv?|fsync|"
    r"fdatasync|sync_file_range|posix_fallocate|fallocate|ftruncate|mmap|"
    r"munmap|msync|opendir|readdir|statfs|fstatfs|flock|nanosleep|usleep|"
    r"clock_gettime|gettimeofday)\s*\(")
STREAMS = re.compile(r"std::(?:[io]?fstream|filesystem|fopen|remove|rename|"
                     r"chrono::\w+_clock::now)\b")
SYSTEM_HEADERS = frozenset(
    "fcntl.h unistd.h dirent.h sys/mman.h sys/stat.h sys/statfs.h sys/vfs.h "
    "sys/file.h sys/uio.h sys/types.h fstream filesystem".split())
SYNC_HEADERS = frozenset(
    "mutex shared_mutex condition_variable thread future semaphore latch "
    "barrier stop_token pthread.h".split())


class File:
  """A source file: its path from the root of the project and its text."""

  def __init__(self, path, text):
    self.path = path
    self.text = text
    self.folder = os.path.dirname(path)
    self.name = os.path.basename(path)
    self.is_header = path.endswith(".h")
    self.is_test = self.name.endswith("_test.cc")
    self.lines = text.split("\n")
    # The same lines without comments and literals, for looking at code.
    self.code_lines = blank_comments_and_literals(text).split("\n")


# One comment, string or character literal. A ' between digits is a separator.
TOKEN = re.compile(
    r'//(?:[^\n\\]|\\.|\\\n)*|/\*.*?\*/|'
    r'R"(?P<delimiter>[^()\\ ]{0,16})\(.*?\)(?P=delimiter)"|'
    r'"(?:\\.|[^"\\\n])*"|'
    r"(?<![0-9A-Fa-f])'(?:\\.|[^'\\\n])+'",
    re.DOTALL)


def blank_comments_and_literals(text):
  """Replaces them by spaces and keeps the line breaks."""
  return TOKEN.sub(lambda m: re.sub(r"[^\n]", " ", m.group(0)), text)


def layer_of(path):
  """The folder of RANKS that holds `path`, or None."""
  for folder in RANKS:
    if path.startswith(folder + "/"):
      return folder
  return None


def includes_of(file):
  """Yields (line number, '<' or '"', included path)."""
  for number, line in enumerate(file.lines, 1):
    match = INCLUDE.match(line)
    # The blanked line tells an include in a comment from a real one.
    if match and "include" in file.code_lines[number - 1]:
      yield number, match.group(1), match.group(2)


def check_includes(file):
  is_public = file.path.startswith(PUBLIC + "/")
  layer = layer_of(file.path)
  for number, kind, target in includes_of(file):
    if target.startswith(("paceline/", "include/paceline/")):
      if kind == "<":
        yield number, f'write #include "{target}", with quotes'
      elif target.startswith("include/"):
        yield number, f'write #include "{target[len("include/"):]}"'
      continue
    if kind == "<":
      if is_public and target not in STANDARD_HEADERS:
        yield number, (f"a public header includes <{target}>; only public "
                       "headers and the C++ standard library are allowed")
      continue
    if is_public:
      yield number, f"a public header includes {target}"
      continue
    if layer is None:
      continue
    if file.is_test and target.startswith(("test/support/",) + TEST_LIBRARIES):
      continue
    target_layer = layer_of(target)
    if target_layer is None:
      yield number, (f"{target}: write the path from the root of the project"
                     if "/" not in target else
                     f"{layer} may not include {target}")
    elif target_layer != layer and RANKS[target_layer] >= RANKS[layer]:
      yield number, (
          f"{layer} (rank {RANKS[layer]}) may not include {target} (rank "
          f"{RANKS[target_layer]}): only folders of a lower rank")


def check_seams(file):
  if not file.path.startswith("src/") or file.is_test:
    return
  is_sync = re.fullmatch(r"src/base/sync\.(h|cc)", file.path)
  # Pages of memory, with no file behind them, are no I/O.
  is_env = file.folder == "src/env" or file.path == "src/base/pages.cc"
  is_base = file.folder == "src/base"
  for number, _, target in includes_of(file):
    if target in SYNC_HEADERS and not is_sync:
      yield number, f"<{target}>: threads and locks come from src/base/sync.h"
    if target == "atomic" and not is_base:
      yield number, "<atomic>: use Atomic from src/base/sync.h"
    # An arena asks for huge pages with <sys/mman.h>: memory, not I/O.
    is_memory = is_base and target == "sys/mman.h"
    if (target in SYSTEM_HEADERS and not is_memory and not is_env and
        not is_sync):
      yield number, f"<{target}>: system I/O belongs in src/env"
  for number, line in enumerate(file.code_lines, 1):
    if match := FENCES.search(line):
      yield number, f"{match.group(0)}: ThreadSanitizer cannot follow it"
    elif (match := ATOMICS.search(line)) and not is_base:
      yield number, f"{match.group(0)}: use Atomic from src/base/sync.h"
    if (match := THREADS.search(line)) and not is_sync:
      yield number, f"{match.group(0)}: use src/base/sync.h"
    for pattern in (GLOBAL_CALL, PLAIN_CALL, STREAMS):
      if (match := pattern.search(line)) and not is_env and not is_sync:
        yield number, (f"{match.group(0).rstrip('( ')}: files and time come "
                       "through FileSystem and Clock; system I/O belongs in "
                       "src/env")
        break


def check_form(file, paths):
  if file.is_header and "#pragma once" not in file.code_lines:
    yield 1, "a header needs #pragma once"
  if not file.text.startswith(("//", "/*")) and not has_header(file, paths):
    yield 1, "start with a comment: what the file holds and why it exists"
  if file.text and not file.text.endswith("\n"):
    yield len(file.lines), "no newline at the end of the file"
  for number, line in enumerate(file.lines, 1):
    if "\t" in line:
      yield number, "tab"
    if line != line.rstrip():
      yield number, "space at the end of the line"
    # Addresses and include paths cannot be broken.
    if len(line) > MAX_COLUMNS and not re.search(
        r"https?://\S+$|^\s*#\s*include\b", line):
      yield number, f"{len(line)} columns; at most {MAX_COLUMNS}"


def has_header(file, paths):
  """True for a .cc file (or test) whose header says what it is about."""
  if file.is_header:
    return False
  stem = re.sub(r"(_test)?\.cc$", "", file.name)
  return any(f"{folder}/{stem}.h" in paths for folder in (
      file.folder, PUBLIC, PUBLIC + "/utilities"))


def check_code(file, paths):
  """Yields (line number, message) for everything wrong in a source file."""
  yield from check_includes(file)
  yield from check_seams(file)
  yield from check_form(file, paths)


def check_first_program(readme, program):
  """README.md shows the program that the install check compiles."""
  blocks = re.findall(r"^```cpp\n(.*?)^```$", readme, re.M | re.S)
  if program not in blocks:
    yield 1, ("no ```cpp block is equal to docs/first_program.cc: copy the "
              "program there")


def anchors_of(text):
  """The anchors of a document's headings, as code hosts make them."""
  headings = re.findall(r"^#+ +(.*)$", text, re.M)
  return {re.sub(r" ", "-", re.sub(r"[^\w\- ]", "", h.lower()))
          for h in headings}


def check_links(path, text, read):
  """Links to files and headings of the project lead somewhere.

  `read` returns the text of a file, "" for a folder, or None.
  """
  for number, line in enumerate(text.split("\n"), 1):
    for target in re.findall(r"\]\(([^)\s]+)\)", line):
      if re.match(r"[a-z]+:", target):
        continue
      name, _, anchor = target.partition("#")
      there = os.path.normpath(
          os.path.join(os.path.dirname(path), name)) if name else path
      contents = text if there == path else read(there)
      if contents is None:
        yield number, f"{target}: there is no such file"
      elif anchor and anchor not in anchors_of(contents):
        yield number, f"{target}: there is no such heading"


def list_files(root):
  """Every file that is tracked, or neither tracked nor ignored."""
  try:
    output = subprocess.run(
        ["git", "-C", root, "ls-files", "-z", "--cached", "--others",
         "--exclude-standard"],
        check=True, capture_output=True).stdout.decode()
    names = [name for name in output.split("\0") if name]
  except (OSError, subprocess.CalledProcessError):
    # A copy without its history.
    names = []
    for folder, folders, files in os.walk(root):
      folders[:] = [f for f in folders if not f.startswith(".")]
      if folder == root:
        folders[:] = [f for f in folders if f != "build"]
      names += [os.path.relpath(os.path.join(folder, f), root) for f in files]
  return sorted({n for n in names if os.path.isfile(os.path.join(root, n))})


def check_tree(root):
  """Yields (path, line number, message) for the whole project."""
  paths = list_files(root)

  def read(path):
    full = os.path.join(root, path)
    if os.path.isdir(full):
      return ""
    if not os.path.isfile(full):
      return None
    with open(full, encoding="utf-8") as stream:
      return stream.read()

  for path in paths:
    if "/testdata/" in path:
      continue
    if path.endswith((".h", ".cc")) and path.startswith(
        tuple(f + "/" for f in CODE_FOLDERS)):
      for number, message in check_code(File(path, read(path)), set(paths)):
        yield path, number, message
    elif path.endswith(".md"):
      for number, message in check_links(path, read(path), read):
        yield path, number, message
  readme, program = read("README.md"), read("docs/first_program.cc")
  for number, message in check_first_program(readme or "", program or ""):
    yield "README.md", number, message


# --- Self-test -------------------------------------------------------------

# What each kind of file must not contain: (path, text, part of the message).
# The text follows a valid beginning.
MUST_FAIL = [
    # The include rule.
    ("src/base/a.h", '#include "src/env/b.h"\n', "rank 2"),
    ("src/env/a.cc", '#include "src/format/b.h"\n', "rank 2"),
    ("src/format/a.cc", '#include "src/env/b.h"\n', "rank 2"),
    ("src/commit/a.cc", '#include "src/wal/b.h"\n', "rank 3"),
    ("src/memtable/a.cc", '#include "src/version/b.h"\n', "rank 4"),
    ("src/version/a.cc", '#include "src/db/b.h"\n', "rank 6"),
    ("src/wal/a.cc", '  #  include "src/table/b.h"\n', "rank 3"),
    ("src/db/a.cc", '#include "cli/b.h"\n', "rank 7"),
    ("cli/a.cc", '#include "bench/b.h"\n', "rank 7"),
    ("src/db/a.cc", '#include "test/support/b.h"\n', "may not include"),
    ("src/db/a_test.cc", '#include "test/other.h"\n', "may not include"),
    ("src/wal/a_test.cc", '#include "src/db/b.h"\n', "rank 6"),
    ("src/wal/a.cc", '#include "gtest/gtest.h"\n', "may not include"),
    ("src/wal/a.cc", '#include "b.h"\n', "from the root"),
    ("src/wal/a.cc", "#include <paceline/db.h>\n", "with quotes"),
    ("src/wal/a.cc", '#include "include/paceline/db.h"\n', "write #include"),
    ("include/paceline/a.h", '#include "src/base/b.h"\n', "public header"),
    ("include/paceline/a.h", "#include <isa-l.h>\n", "public header"),
    ("include/paceline/a.h", "#include <unistd.h>\n", "public header"),
    # The seams.
    ("src/db/a.cc", "std::mutex m;\n", "sync.h"),
    ("src/db/a.h", "std::shared_mutex m;\n", "sync.h"),
    ("src/db/a.cc", "std::condition_variable c;\n", "sync.h"),
    ("src/db/a.cc", "std::thread t(f);\n", "sync.h"),
    ("src/db/a.cc", "std::jthread t(f);\n", "sync.h"),
    ("src/db/a.cc", "std::this_thread::yield();\n", "sync.h"),
    ("src/db/a.cc", "#include <mutex>\n", "sync.h"),
    ("src/base/arena.cc", "std::mutex m;\n", "sync.h"),
    ("src/commit/a.h", "std::atomic<int> a;\n", "Atomic"),
    ("src/commit/a.h", "#include <atomic>\n", "Atomic"),
    ("src/base/a.h", "std::atomic_thread_fence(x);\n", "ThreadSanitizer"),
    ("src/base/a.h", "std::atomic<std::shared_ptr<int>> a;\n",
     "ThreadSanitizer"),
    ("src/wal/a.cc", "int fd = ::open(path, 0);\n", "src/env"),
    ("src/wal/a.cc", "pwrite(fd, p, n, 0);\n", "src/env"),
    ("src/wal/a.cc", "if (fdatasync(fd) != 0) return;\n", "src/env"),
    ("src/wal/a.cc", "std::ofstream out(path);\n", "src/env"),
    ("src/wal/a.cc", "#include <fcntl.h>\n", "src/env"),
    ("src/wal/a.cc", "#include <sys/mman.h>\n", "src/env"),
    ("src/base/a.cc", "void* p = mmap(nullptr, n, 0, 0, fd, 0);\n",
     "src/env"),
    ("src/db/a.cc", "auto t = std::chrono::steady_clock::now();\n",
     "src/env"),
    # Form.
    ("src/db/a.cc", "\tint a;\n", "tab"),
    ("src/db/a.cc", "int a; \n", "space at the end"),
    ("src/db/a.cc", "int " + "a" * 77 + ";\n", "columns"),
    ("src/db/a.cc", "int a;", "newline at the end"),
]
MUST_PASS = [
    ("src/base/sync.h", "std::mutex m;\nstd::atomic<int> a;\n"),
    ("src/base/sync.h", "#include <thread>\n#include <unistd.h>\n"),
    ("src/base/arena.cc", "#include <sys/mman.h>\nmadvise(p, n, 0);\n"),
    ("src/base/error_latch.h", "#include <atomic>\nstd::atomic<int> a;\n"),
    ("src/env/a.cc", '#include "src/base/b.h"\n::open(p, 0);\n'),
    ("src/base/pages.cc", "#include <sys/mman.h>\nmunmap(p, n);\n"),
    ("src/wal/a.cc", '#include "src/wal/b.h"\n#include "paceline/db.h"\n'),
    ("src/wal/a_test.cc", '#include "test/support/b.h"\nstd::thread t;\n'),
    ("src/wal/a_test.cc", '#include "gtest/gtest.h"\n'),
    ("src/db/a.cc", "// std::mutex and ::open(x) in a comment\n"),
    ("src/db/a.cc", 'Log("std::mutex, pwrite(x), ::open(x)");\n'),
    ("src/db/a.cc", "file->Sync(); writer.fsync(); my::open(x);\n"),
    ("src/db/a.cc", "int n = 1'000'000; std::mem_fn(f);\n"),
    ("src/db/a.cc", "// https://example.org/" + "a" * 80 + "\n"),
    ("src/db/a.cc", '// #include "bench/b.h"\n'),
    ("src/db/a.cc", 'auto s = R"(\nstd::mutex\n)";\n'),
    ("include/paceline/a.h", '#include <string>\n#include "paceline/b.h"\n'),
    ("test/a.cc", '#include "src/db/b.h"\n#include "cli/b.h"\n'),
    ("bench/a.cc", '#include "src/db/b.h"\nstd::thread t;\n'),
]


def self_test():
  errors = []

  def messages_of(path, text):
    start = "// A.\n#pragma once\n" if path.endswith(".h") else "// A.\n"
    file = File(path, start + text)
    return [f"{number}: {message}"
            for number, message in check_code(file, {path})]

  for path, text, expected in MUST_FAIL:
    found = messages_of(path, text)
    if not any(expected in message for message in found):
      errors.append(f"{path}: {text!r} must fail with {expected!r}: {found}")
  for path, text in MUST_PASS:
    if found := messages_of(path, text):
      errors.append(f"{path}: {text!r} must pass: {found}")

  def expect(what, found, expected):
    if bool(list(found)) != expected:
      errors.append(f"{what}: expected {'a' if expected else 'no'} violation")

  expect("header without pragma",
         check_code(File("src/db/a.h", "// A.\n"), set()), True)
  expect("header without comment",
         check_code(File("src/db/a.h", "#pragma once\n"), set()), True)
  expect(".cc without comment or header",
         check_code(File("src/db/a.cc", "int a;\n"), set()), True)
  for header in ("src/db/a.h", "include/paceline/a.h"):
    expect(".cc whose header says it",
           check_code(File("src/db/a.cc", "int a;\n"), {header}), False)
  expect("line numbers", (
      0 for number, _ in check_code(
          File("src/db/a.cc", '// A.\n/* x\n*/\nstd::mutex m;\n'), set())
      if number != 4), False)

  expect("README without the program",
         check_first_program("```cpp\nint a;\n```\n", "int b;\n"), True)
  expect("README with the program",
         check_first_program("x\n```cpp\nint a;\n```\n", "int a;\n"), False)

  tree = {"docs/a.md": "# One Two, `x`\n", "docs": ""}
  for link, is_broken in (
      ("a.md", False), ("../docs", False), ("a.md#one-two-x", False),
      ("#here", False), ("https://example.org/x", False),
      ("b.md", True), ("a.md#three", True), ("#there", True)):
    expect(f"link {link}",
           check_links("docs/c.md", f"# Here\n[x]({link})\n", tree.get),
           is_broken)

  for error in errors:
    print(error, file=sys.stderr)
  print(f"lint self-test: {len(MUST_FAIL) + len(MUST_PASS)} cases, "
        f"{len(errors)} wrong")
  return 1 if errors else 0


def main(arguments):
  if arguments == ["--self-test"]:
    return self_test()
  if arguments:
    print("usage: tools/lint.py [--self-test]", file=sys.stderr)
    return 2
  root = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
  count = 0
  for path, number, message in check_tree(root):
    print(f"{path}:{number}: {message}")
    count += 1
  if count:
    print(f"{count} violations", file=sys.stderr)
  return 1 if count else 0


if __name__ == "__main__":
  sys.exit(main(sys.argv[1:]))
