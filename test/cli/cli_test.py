#!/usr/bin/env python3
"""Runs the `paceline` program as a user would, at a terminal and in scripts.

  cli_test.py PROGRAM GOLDEN_DIRECTORY [unittest arguments]

PACELINE_SEED=n repeats a random test.
"""

import functools
import glob
import hashlib
import json
import os
import pty
import random
import re
import select
import shutil
import signal
import subprocess
import sys
import tarfile
import tempfile
import unittest

PROGRAM = ""
GOLDEN = ""
COMMANDS = (["load"], ["get"], ["put"], ["delete"], ["scan"],
            ["column-families"], ["column-families", "list"],
            ["column-families", "create"], ["column-families", "drop"],
            ["dump"], ["dump-wal"], ["dump-manifest"], ["dump-sst"],
            ["stats"], ["verify"], ["flush"], ["compact"], ["destroy"])
DONE, FAILED, WRONG_USAGE = 0, 1, 2
# No step of a test may take longer, in seconds; they take milliseconds.
PATIENCE = 120


def escape(data):
    """The tsv form in which every byte is written by number."""
    return b"".join(b"\\x%02x" % byte for byte in data)


def read_terminal(descriptor, wanted=None):
    """What a program wrote to a terminal: until `wanted`, or until it ends."""
    text = b""
    while wanted is None or wanted not in text:
        ready, _, _ = select.select([descriptor], [], [], PATIENCE)
        if not ready:
            raise TimeoutError(text)
        try:
            chunk = os.read(descriptor, 65536)
        except OSError:  # How Linux says that the other end is closed.
            break
        if not chunk:
            break
        text += chunk
    return text


class CliTest(unittest.TestCase):
    def setUp(self):
        self.root = tempfile.mkdtemp(prefix="paceline_cli_test.")
        self.addCleanup(shutil.rmtree, self.root)
        self.db = os.path.join(self.root, "db")

    def run_program(self, *arguments, stdin=b"", **options):
        options.setdefault("stdout", subprocess.PIPE)
        return subprocess.run([PROGRAM, *arguments], input=stdin,
                              stderr=subprocess.PIPE, check=False,
                              timeout=PATIENCE, **options)

    def expect(self, status, *arguments, stdin=b""):
        """Runs the program and returns what it printed."""
        result = self.run_program(*arguments, stdin=stdin)
        self.assertEqual(result.returncode, status,
                         (arguments, result.stdout[-500:], result.stderr))
        if status == FAILED:
            self.assertRegex(result.stderr, rb"(?s)(\A|\n)paceline: [^\n]+\n\Z")
        return result.stdout if status == DONE else result.stderr

    def ok(self, *arguments, stdin=b""):
        return self.expect(DONE, *arguments, stdin=stdin)

    def write_file(self, name, data):
        path = os.path.join(self.root, name)
        with open(path, "wb") as file:
            file.write(data)
        return path

    def load(self, data, *arguments):
        return self.ok("load", self.db, "-", *arguments, stdin=data)

    def dump(self, directory=None):
        """The entries as {family: [(key, value), ...]}."""
        families = {}
        for line in self.ok("dump", directory or self.db).splitlines():
            family, key, value = line.split(b"\t")
            families.setdefault(family.decode(), []).append(
                (bytes.fromhex(key.decode()), bytes.fromhex(value.decode())))
        return families

    def files(self, extension):
        return sorted(os.path.join(self.db, name)
                      for name in os.listdir(self.db)
                      if re.fullmatch(r"\d+\." + extension, name))

    def wal_files(self):
        return self.files("log")

    def table_files(self):
        return self.files("sst")

    def json_lines(self, *arguments):
        return [json.loads(line)
                for line in self.ok(*arguments, "--json").splitlines()]


class UsageTest(CliTest):
    def test_every_command_explains_itself_with_an_example(self):
        for command in COMMANDS:
            text = self.ok(*command, "--help")
            self.assertIn(b"Example:\n  paceline " + command[0].encode(), text)
            for line in text.splitlines():
                self.assertLessEqual(len(line), 80, line)
        self.assertRegex(self.ok("--version"), rb"^paceline \d+\.\d+\.\d+\n$")

    def test_wrong_usage_is_told_apart_from_failure(self):
        for arguments in (
                [], ["frobnicate"], ["get"], ["get", self.db],
                ["get", self.db, "k", "surplus"], ["--unknown"],
                ["get", self.db, "abc", "--hex"],
                ["put", self.db, "6b", "zz", "--hex"],
                ["get", self.db, "k", "--hex", "--raw"],
                ["scan", self.db, "--limit", "-1"],
                ["scan", self.db, "--limit="], ["scan", self.db, "--hex="],
                ["scan", self.db, "--from", "x", "--hex"],
                ["load", self.db], ["load", self.db, "-", "--threads", "0"],
                ["load", self.db, "-", "--batch", "0"],
                ["load", self.db, "-", "--format", "csv"],
                ["load", self.db, "-", "--on-error", "ignore"],
                ["load", self.db, "-", "--json", "--print-acks"],
                ["dump", self.db, "--recovery-mode=best"],
                ["dump", self.db, "--merge-operator=unknown"],
                ["column-families"], ["column-families", "list"],
                ["compact"], ["compact", self.db, "--from", "x", "--hex"],
                ["flush"], ["verify"], ["dump-sst"], ["dump-manifest"],
                ["verify", self.db, "--force"],
                ["destroy", self.db]):
            text = self.expect(WRONG_USAGE, *arguments)
            self.assertIn(b"paceline", text)
        self.assertFalse(os.path.exists(self.db))

    def test_a_missing_database_is_named(self):
        for arguments in (["get", self.db, "k"], ["put", self.db, "k", "v"],
                          ["delete", self.db, "k"], ["scan", self.db],
                          ["dump", self.db], ["dump-wal", self.db],
                          ["stats", self.db], ["dump-manifest", self.db],
                          ["verify", self.db], ["flush", self.db],
                          ["compact", self.db],
                          ["column-families", "list", self.db],
                          ["column-families", "create", self.db, "a"],
                          ["destroy", self.db, "--yes"]):
            text = self.expect(FAILED, *arguments)
            self.assertIn(b"no database in " + self.db.encode(), text)
        self.assertFalse(os.path.exists(self.db))

    def test_a_full_standard_output_is_a_failure(self):
        self.load(b"k\tv\n")
        with open("/dev/full", "wb") as full:
            for arguments in (["scan", self.db], ["dump", self.db],
                              ["get", self.db, "k"], ["stats", self.db],
                              ["verify", self.db], ["flush", self.db],
                              ["dump-manifest", self.db]):
                result = self.run_program(*arguments, stdout=full)
                self.assertEqual(result.returncode, FAILED, arguments)
                self.assertIn(b"standard output", result.stderr)


class EntriesTest(CliTest):
    def test_what_was_put_is_got_until_it_is_deleted(self):
        self.ok("put", self.db, "colour", "red", "--create")
        self.assertEqual(self.ok("get", self.db, "colour"), b"red\n")
        self.ok("put", self.db, "colour", "blue", "--sync")
        self.assertEqual(self.ok("get", self.db, "colour"), b"blue\n")
        self.ok("delete", self.db, "colour", "--sync")
        self.assertIn(b"colour", self.expect(FAILED, "get", self.db, "colour"))
        self.ok("delete", self.db, "colour")

    def test_arguments_are_taken_as_they_are(self):
        self.load(b"")
        odd = ["", "[1,2]", "{}", "a,b", "%%", "load", "back\\slash\\n",
               " blank ", "\t", "\n", "ümlaut", "'\"", "=", "!", "~"]
        for text in odd:
            self.ok("put", self.db, text, text)
            self.assertEqual(self.ok("get", self.db, text, "--raw"),
                             text.encode())
        self.assertEqual(len(self.dump()["default"]), len(odd))
        self.ok("put", self.db, "--", "--key", "-1")
        self.assertEqual(self.ok("get", self.db, "--", "--key"), b"-1\n")

    def test_hex_reaches_every_byte(self):
        self.ok("put", self.db, "00FF", "ff00", "--hex", "--create")
        self.assertEqual(self.ok("get", self.db, "00ff", "--hex"), b"ff00\n")
        self.assertEqual(self.ok("scan", self.db), b"\\x00\\xff\t\\xff\\x00\n")
        self.assertEqual(self.ok("scan", self.db, "--hex"), b"00ff\tff00\n")
        self.ok("delete", self.db, "00ff", "--hex")
        self.expect(FAILED, "get", self.db, "00ff", "--hex")

    def test_json_has_hexadecimal_members_for_what_is_not_utf8(self):
        self.ok("put", self.db, "6b", "ff", "--hex", "--create")
        self.assertEqual(json.loads(self.ok("get", self.db, "k", "--json")),
                         {"key": "k", "value_hex": "ff"})
        self.assertEqual(
            json.loads(self.ok("get", self.db, "6b", "--json", "--hex")),
            {"key_hex": "6b", "value_hex": "ff"})

    def test_a_terminal_gets_no_control_bytes(self):
        self.ok("put", self.db, "k", "a\x1b[31m\\", "--create")
        self.assertEqual(self.ok("get", self.db, "k"), b"a\x1b[31m\\\n")
        master, slave = pty.openpty()
        self.run_program("get", self.db, "k", stdout=slave)
        os.close(slave)
        self.assertEqual(read_terminal(master), b"a\\x1b[31m\\\\\r\n")
        os.close(master)

    def test_column_families_are_apart(self):
        self.load(b"")
        self.expect(FAILED, "put", self.db, "k", "v", "--column-family", "a")
        self.ok("column-families", "create", self.db, "a")
        self.ok("put", self.db, "k", "1", "--column-family", "a")
        self.expect(FAILED, "get", self.db, "k")
        self.assertEqual(
            self.ok("get", self.db, "k", "--column-family", "a"), b"1\n")
        self.assertIn(b"no column family b", self.expect(
            FAILED, "scan", self.db, "--column-family", "b"))
        self.expect(FAILED, "column-families", "create", self.db, "a")
        self.assertEqual(self.ok("column-families", "list", self.db),
                         b"a\ndefault\n")
        self.ok("column-families", "drop", self.db, "a")
        self.expect(FAILED, "column-families", "drop", self.db, "a")
        self.expect(FAILED, "column-families", "drop", self.db, "default")
        listed = json.loads(
            self.ok("column-families", "list", self.db, "--json"))
        self.assertEqual(listed["name"], "default")
        self.assertEqual(listed["id"], 0)


class ScanTest(CliTest):
    def check_ranges(self, order, family, rng):
        """Compares random ranges with what a sorted list says."""
        alphabet = [0x00, 0x61, 0x62, 0xfe, 0xff]
        make_key = lambda: bytes(rng.choices(alphabet, k=rng.randrange(4)))
        keys = {make_key() for _ in range(60)}
        self.load(b"".join(escape(k) + b"\tv\n" for k in keys),
                  "--column-family", family)
        keys = sorted(keys, key=functools.cmp_to_key(order))
        for _ in range(60):
            expected = list(keys)
            arguments = ["scan", self.db, "--column-family", family, "--hex"]
            if rng.random() < 0.5:
                low = make_key()
                arguments.append("--from=" + low.hex())
                expected = [k for k in expected if order(k, low) >= 0]
            if rng.random() < 0.5:
                high = make_key()
                arguments.append("--to=" + high.hex())
                expected = [k for k in expected if order(k, high) < 0]
            if rng.random() < 0.5:
                prefix = make_key()[:2]
                arguments.append("--prefix=" + prefix.hex())
                expected = [k for k in expected if k.startswith(prefix)]
            if rng.random() < 0.5:
                arguments.append("--reverse")
                expected.reverse()
            if rng.random() < 0.3:
                limit = rng.randrange(5)
                arguments.append(f"--limit={limit}")
                expected = expected[:limit]
            output = self.ok(*arguments).decode()
            found = [bytes.fromhex(line.split("\t")[0])
                     for line in output.splitlines()]
            self.assertEqual(found, expected, arguments)

    def test_ranges_are_right_in_either_order(self):
        seed = int(os.environ.get("PACELINE_SEED", random.randrange(1 << 32)))
        print(f"PACELINE_SEED={seed}")
        rng = random.Random(seed)
        forward = lambda a, b: (a > b) - (a < b)
        self.check_ranges(forward, "default", rng)
        self.ok("column-families", "create", self.db, "back",
                "--comparator=reverse")
        self.check_ranges(lambda a, b: -forward(a, b), "back", rng)

    def test_an_empty_prefix_in_options_chooses_everything(self):
        self.load(b"a\t1\nb\t2\n")
        for prefix in (["--prefix="], ["--prefix", ""], ["--prefix=", "--"]):
            self.assertEqual(self.ok("scan", self.db, *prefix),
                             b"a\t1\nb\t2\n")
        self.assertEqual(self.ok("scan", self.db, "--from=", "--to=b"),
                         b"a\t1\n")

    def test_what_scan_prints_load_reads_back(self):
        entries = [(bytes([byte]) + "ü\u202e\n\t\\".encode(),
                    bytes([byte, 255 - byte]) * 3) for byte in range(256)]
        self.load(b"".join(escape(k) + b"\t" + escape(v) + b"\n"
                           for k, v in entries) + b"\t\n")
        expected = self.dump()["default"]
        self.assertEqual(expected, sorted(entries + [(b"", b"")]))
        for name, form in (("tsv", []), ("jsonl", ["--json"])):
            copy = os.path.join(self.root, name)
            text = self.ok("scan", self.db, *form)
            self.assertIsNone(re.search(rb"[\x00-\x08\x0b-\x1f]", text))
            self.ok("load", copy, "-", "--format", name, stdin=text)
            self.assertEqual(self.dump(copy)["default"], expected)


class LoadTest(CliTest):
    def test_the_summary_counts_what_was_done(self):
        lines = b"".join(b"key%05d\tvalue\n" % i for i in range(1001))
        summary = json.loads(self.load(lines, "--json", "--sync", "--batch=10",
                                       "--threads=4"))
        self.assertEqual(summary["records"], 1001)
        self.assertEqual(summary["record_bytes"], 1001 * 13)
        self.assertEqual(summary["bad_lines"], 0)
        self.assertEqual(summary["commits"], 101)
        self.assertTrue(1 <= summary["groups"] <= 101)
        self.assertTrue(1 <= summary["wal_syncs"] <= summary["groups"])
        quantiles = summary["commit_micros"]
        self.assertLess(0, quantiles["p50"])
        self.assertLessEqual(quantiles["p50"], quantiles["p99"])
        self.assertLessEqual(quantiles["p99"], quantiles["p99.9"])
        self.assertLessEqual(quantiles["p99.9"], quantiles["max"])
        self.assertEqual(len(self.dump()["default"]), 1001)
        text = self.load(lines)
        for word in (b"records", b"commits", b"groups", b"WAL syncs", b"p99.9",
                     b"seconds"):
            self.assertIn(word, text)

    def test_files_are_read_in_turn(self):
        first = self.write_file("first", b"a\t1\nb\t2")  # The last LF may lack.
        second = self.write_file("second", b"c\t3\n")
        empty = self.write_file("empty", b"")
        self.ok("load", self.db, first, empty, "-", second, "--batch=2",
                "--column-family=new", stdin=b"d\t4\ttab\n")
        self.assertEqual(self.dump(), {"new": [
            (b"a", b"1"), (b"b", b"2"), (b"c", b"3"), (b"d", b"4\ttab")]})

    def test_lines_may_be_long(self):
        value = os.urandom(1 << 20).hex().encode()
        self.load(b"a\t1\nlong\t" + value + b"\n" + value + b"\tb\n")
        entries = dict(self.dump()["default"])
        self.assertEqual(entries, {b"a": b"1", b"long": value, value: b"b"})

    def test_with_one_thread_the_last_of_equal_keys_wins(self):
        self.load(b"".join(b"k\t%d\n" % i for i in range(1000)),
                  "--threads=1", "--batch=3")
        self.assertEqual(self.ok("get", self.db, "k"), b"999\n")

    def test_a_bad_line_stops_behind_what_came_before(self):
        path = self.write_file("bad.tsv", b"a\t1\nb\t2\nno tab\nc\t3\n")
        text = self.expect(FAILED, "load", self.db, path)
        self.assertIn(b"bad.tsv:3: no TAB", text)
        self.assertEqual(self.dump()["default"], [(b"a", b"1"), (b"b", b"2")])

    def test_bad_lines_are_skipped_and_counted(self):
        lines = b"a\t1\n" + b"bad\n" * 50 + b"b\t2\n\n" + b"c\\q\t3\n"
        result = self.run_program("load", self.db, "-", "--on-error=skip",
                                  "--json", stdin=lines)
        self.assertEqual(result.returncode, DONE)
        summary = json.loads(result.stdout)
        self.assertEqual((summary["records"], summary["bad_lines"]), (2, 52))
        self.assertIn(b"standard input:2: no TAB", result.stderr)
        self.assertEqual(result.stderr.count(b"skipped"), 20)
        self.assertEqual(self.dump()["default"], [(b"a", b"1"), (b"b", b"2")])

    def test_every_kind_of_bad_line_is_found(self):
        for form, lines in (
                ("tsv", [b"", b"key", b"a\\\t1", b"a\\x4\t1", b"a\\xgg\t1",
                         b"a\t\\y", b"a\t\\"]),
                ("jsonl", [b"", b"{", b"[]", b'"text"', b"{}", b'{"key": "a"}',
                           b'{"value": "a"}', b'{"key": 1, "value": "a"}',
                           b'{"key": "a", "value": null}',
                           b'{"key_hex": "6", "value": "a"}',
                           b'{"key_hex": "zz", "value": "a"}',
                           b'{"key": "a", "key_hex": "61", "value": "a"}',
                           b'{"key": "\xff", "value": "a"}',
                           b'{"key": "a", "value": "a"} x'])):
            for line in lines:
                text = self.expect(FAILED, "load", self.db, "-", "--format",
                                   form, stdin=line + b"\n")
                self.assertIn(b"standard input:1: ", text, line)
        self.assertEqual(self.dump(), {})

    def test_jsonl_takes_text_and_hexadecimal_digits(self):
        self.load(b'{"key": "a\\u0000\\n\xc3\xbc", "value_hex": "00fF"}\n'
                  b' {"value": "", "more": [1], "key_hex": ""} \r\n',
                  "--format=jsonl")
        self.assertEqual(self.dump()["default"],
                         [(b"", b""), (b"a\0\n\xc3\xbc", b"\x00\xff")])

    def test_a_missing_file_is_found_before_anything_is_made(self):
        good = self.write_file("good", b"a\t1\n")
        text = self.expect(FAILED, "load", self.db, good, "missing.tsv")
        self.assertIn(b"missing.tsv", text)
        self.expect(FAILED, "load", self.db, self.root)
        self.assertFalse(os.path.exists(self.db))

    def test_acks_name_every_record_once(self):
        lines = b"".join(b"%d\tx\n" % i for i in range(1, 5001))
        result = self.run_program("load", self.db, "-", "--print-acks",
                                  "--batch=7", stdin=lines)
        self.assertEqual(result.returncode, DONE)
        self.assertIn(b"records", result.stderr)
        acknowledged = []
        for line in result.stdout.splitlines():
            first, last = map(int, line.split(b"-"))
            self.assertLessEqual(last - first, 6)
            acknowledged += range(first, last + 1)
        self.assertEqual(sorted(acknowledged), list(range(1, 5001)))

    def test_what_was_acknowledged_survives_a_kill(self):
        lines = b"".join(b"%d\tvalue of %d\n" % (i, i)
                         for i in range(1, 200001))
        path = self.write_file("many.tsv", lines)
        for sync in ([], ["--sync"]):
            shutil.rmtree(self.db, ignore_errors=True)
            with subprocess.Popen(
                    [PROGRAM, "load", self.db, path, "--print-acks",
                     "--batch=5", *sync], stdout=subprocess.PIPE,
                    stderr=subprocess.DEVNULL) as loader:
                acks = [loader.stdout.readline() for _ in range(200)]
                loader.send_signal(signal.SIGKILL)
                acks += loader.stdout.read().splitlines(keepends=True)
                self.assertEqual(loader.wait(), -signal.SIGKILL)
            entries = dict(self.dump()["default"])
            for ack in acks:
                self.assertRegex(ack, rb"^\d+-\d+\n$")
                first, last = map(int, ack.split(b"-"))
                for i in range(first, last + 1):
                    self.assertEqual(entries.get(b"%d" % i),
                                     b"value of %d" % i)
            self.assertLess(len(entries), 200000)

    def test_readers_work_beside_a_writer_and_writers_do_not(self):
        with subprocess.Popen(
                [PROGRAM, "load", self.db, "-", "--print-acks", "--batch=1"],
                stdin=subprocess.PIPE, stdout=subprocess.PIPE,
                stderr=subprocess.DEVNULL) as loader:
            loader.stdin.write(b"k\tv\n" * 10)
            loader.stdin.flush()
            # Whole reads come from the pipe at once, so these are all there.
            for _ in range(10):
                loader.stdout.readline()
            self.assertEqual(self.ok("get", self.db, "k"), b"v\n")
            self.assertEqual(self.ok("scan", self.db), b"k\tv\n")
            self.assertEqual(self.dump(), {"default": [(b"k", b"v")]})
            self.assertIn(b"default", self.ok("stats", self.db))
            self.assertIn(b"put", self.ok("dump-wal", self.db))
            self.assertIn(b"last_sequence", self.ok("dump-manifest", self.db))
            self.assertIn(b" 0 damaged", self.ok("verify", self.db))
            for arguments in (["put", self.db, "k", "w"],
                              ["delete", self.db, "k"],
                              ["load", self.db, "-"],
                              ["flush", self.db], ["compact", self.db],
                              ["column-families", "create", self.db, "a"],
                              ["destroy", self.db, "--yes"]):
                self.assertRegex(self.expect(FAILED, *arguments), b"(?i)busy")
            loader.stdin.close()
            self.assertEqual(loader.wait(), DONE)
        self.assertEqual(self.ok("get", self.db, "k"), b"v\n")

    def test_readers_work_while_files_come_and_go(self):
        self.load(b"k\tv\n")
        # Small memtables, so that there are many flushes and compactions.
        options = [os.path.join(self.db, name) for name in os.listdir(self.db)
                   if name.startswith("OPTIONS-")]
        for path in options:
            with open(path, "r+b") as file:
                text = file.read()
                file.seek(0)
                file.truncate()
                file.write(re.sub(rb"write_buffer_size=\d+",
                                  b"write_buffer_size=65536", text))
        lines = b"".join(b"%d\t%s\n" % (i * 7919 % 100003, b"x" * 100)
                         for i in range(50000))
        path = self.write_file("many.tsv", lines)
        with subprocess.Popen([PROGRAM, "load", self.db, path, path],
                              stdout=subprocess.DEVNULL,
                              stderr=subprocess.DEVNULL) as loader:
            reads = 0
            while loader.poll() is None or reads == 0:
                self.assertEqual(self.ok("get", self.db, "k"), b"v\n")
                self.ok("stats", self.db)
                reads += 1
            self.assertEqual(loader.returncode, DONE)
        self.assertLess(0, len(self.table_files()))
        self.ok("verify", self.db)

    def test_progress_is_for_terminals_only(self):
        lines = b"".join(b"%d\tx\n" % i for i in range(1000))
        result = self.run_program("load", self.db, "-", stdin=lines)
        self.assertEqual(result.stderr, b"")
        master, slave = pty.openpty()
        with subprocess.Popen(
                [PROGRAM, "load", self.db, "-"], stdin=subprocess.PIPE,
                stdout=subprocess.DEVNULL, stderr=slave,
                env={**os.environ, "TERM": "xterm"}) as loader:
            os.close(slave)
            loader.stdin.write(lines)
            loader.stdin.flush()
            text = read_terminal(master, wanted=b"commits/group")
            loader.stdin.close()
            text += read_terminal(master)
        os.close(master)
        self.assertIn(b" records", text)
        self.assertTrue(text.endswith(b"\r\x1b[K"), text[-100:])


class FilesTest(CliTest):
    def snapshot(self):
        """Names, contents and times of everything in the directory."""
        state = {}
        for name in sorted(os.listdir(self.db)):
            path = os.path.join(self.db, name)
            with open(path, "rb") as file:
                state[name] = (file.read(), os.stat(path).st_mtime_ns)
        return state

    def test_reading_changes_nothing(self):
        self.load(b"a\t1\nb\t2\n")
        self.ok("flush", self.db)
        self.load(b"c\t3\n")
        before = self.snapshot()
        for arguments in (["get", self.db, "a"], ["scan", self.db],
                          ["dump", self.db], ["dump-wal", self.db],
                          ["stats", self.db], ["verify", self.db],
                          ["dump-manifest", self.db],
                          ["dump-sst", *self.table_files()],
                          ["column-families", "list", self.db]):
            self.ok(*arguments)
        self.assertEqual(self.snapshot(), before)

    def test_dump_orders_families_by_name_and_keys_by_comparator(self):
        self.load(b"")
        self.ok("column-families", "create", self.db, "b",
                "--comparator=reverse")
        self.ok("column-families", "create", self.db, "a")
        for family in ("default", "b", "a"):
            self.load(b"x\t1\ny\t2\n", "--column-family", family)
        self.assertEqual(self.ok("dump", self.db),
                         b"a\t78\t31\na\t79\t32\nb\t79\t32\nb\t78\t31\n"
                         b"default\t78\t31\ndefault\t79\t32\n")

    def test_dump_wal_shows_every_operation_and_damage(self):
        self.ok("put", self.db, "a", "1" * 200, "--create")
        self.ok("delete", self.db, "a")
        self.ok("put", self.db, "00", "ff", "--hex")
        text = self.ok("dump-wal", self.db)
        self.assertIn(b"(200 bytes)", text)
        self.assertIn(b"1" * 200, self.ok("dump-wal", self.db, "--full"))
        records = [json.loads(line) for line in
                   self.ok("dump-wal", self.db, "--json").splitlines()]
        # Each process begins its WAL with a note.
        records = [record for record in records if record["count"] > 0]
        operations = [o for r in records for o in r["operations"]]
        self.assertEqual([o["operation"] for o in operations],
                         ["put", "delete", "put"])
        self.assertEqual([r["sequence"] for r in records], [1, 2, 3])
        self.assertEqual(operations[0]["key"], "a")
        self.assertEqual(operations[0]["value"], "1" * 200)
        self.assertEqual(operations[0]["column_family"], "default")
        self.assertEqual(operations[2]["value_hex"], "ff")

        last = records[-1]
        path = os.path.join(self.db, last["file"])
        with open(path, "r+b") as file:
            file.truncate(last["offset"] + 8)
        result = self.run_program("dump-wal", self.db, "--json")
        self.assertEqual(result.returncode, FAILED)
        self.assertIn(b"1 damaged place in ", result.stderr)
        damaged = result.stdout.splitlines()
        self.assertEqual(len(damaged), 3 + 3)
        damage = json.loads(damaged[-1])
        self.assertEqual(damage["file"], last["file"])
        self.assertEqual(damage["offset"], last["offset"])
        self.assertTrue(damage["damage"])
        result = self.run_program("dump-wal", self.db)
        self.assertEqual(result.returncode, FAILED)
        self.assertIn(b"damage: ", result.stdout)

    def test_stats_count(self):
        self.load(b"a\t1\nb\t2\n")
        self.load(b"c\t3\n", "--column-family=other")
        stats = json.loads(self.ok("stats", self.db, "--json"))
        self.assertEqual(stats["sequence"], 3)
        families = {f["name"]: f for f in stats["column_families"]}
        self.assertEqual(set(families), {"default", "other"})
        self.assertEqual(families["default"]["estimated_entries"], 2)
        self.assertLess(0, families["default"]["memtable_bytes"])
        self.assertEqual(families["other"]["comparator"],
                         "leveldb.BytewiseComparator")
        self.assertEqual(
            stats["wal_files"],
            [{"file": os.path.basename(path), "bytes": os.path.getsize(path)}
             for path in self.wal_files()])

    def test_stats_show_what_held_writers_back(self):
        self.load(b"a\t1\n")
        self.assertIn(b"writers never had to wait", self.ok("stats", self.db))
        log = os.path.join(self.db, "LOG")
        with open(log) as file:
            self.assertIn(" totals since the open: flushed=", file.read())
        with open(log, "w") as file:
            file.write(
                "2026/01/01-00:00:00.000000 opening db\n"
                "2026/01/01-00:10:00.000000 totals since the open: "
                "flushed=100 compacted=250\n"
                "2026/01/01-00:10:00.000000 stalls since the open: "
                "cause=level0 delays=12 delay_micros=34000 stops=5 "
                "stop_micros=6000000 family=default\n")
        totals = json.loads(self.ok("stats", self.db, "--json"))["totals"]
        self.assertEqual(totals["since"], "2026/01/01-00:00:00.000000")
        self.assertEqual(totals["until"], "2026/01/01-00:10:00.000000")
        self.assertEqual(totals["write_amplification"], 3.5)
        self.assertEqual(totals["stalls"], [
            {"cause": "level0", "column_family": "default", "delays": 12,
             "delay_micros": 34000, "stops": 5, "stop_micros": 6000000}])
        text = self.ok("stats", self.db)
        self.assertIn(b"  measured write amplification 3.5: 100 B flushed, "
                      b"250 B by compactions\n", text)
        self.assertRegex(text, rb"\nfrom 2026/01/01-00:00:00.000000 to 2026")
        self.assertRegex(
            text, rb"\n  level0 +default +12 +34\S* ms +5 +6\S* s\n")
        os.remove(log)
        for path in glob.glob(log + ".old.*"):
            os.remove(path)
        self.assertIsNone(json.loads(self.ok("stats", self.db, "--json"))
                          ["totals"])
        self.assertIn(b"not known: none in LOG", self.ok("stats", self.db))

    def test_destroy_removes_the_database_and_nothing_else(self):
        self.load(b"a\t1\n")
        self.ok("destroy", self.db, "--yes")
        self.assertFalse(os.path.exists(self.db))
        self.load(b"a\t1\n")
        keep = os.path.join(self.db, "notes.txt")
        with open(keep, "wb"):
            pass
        self.ok("destroy", self.db, "--yes")
        self.assertEqual(os.listdir(self.db), ["notes.txt"])
        # Not a database any more.
        self.expect(FAILED, "destroy", self.db, "--yes")
        self.assertEqual(os.listdir(self.db), ["notes.txt"])

    def test_destroy_asks_at_a_terminal(self):
        self.load(b"a\t1\n")
        for answer, status in ((b"no\n", FAILED), (b"\n", FAILED),
                               (b"\x04", FAILED), (b"yes\n", DONE)):
            self.assertTrue(os.path.exists(self.db))
            master, slave = pty.openpty()
            with subprocess.Popen([PROGRAM, "destroy", self.db], stdin=slave,
                                  stdout=slave, stderr=slave) as program:
                os.close(slave)
                read_terminal(master, wanted=b"Type yes")
                os.write(master, answer)
                read_terminal(master)
                self.assertEqual(program.wait(timeout=PATIENCE), status)
            os.close(master)
        self.assertFalse(os.path.exists(self.db))


class TreeTest(CliTest):
    def make_levels(self):
        """Two files on level 0 of default, an empty family beside it."""
        self.ok("column-families", "create", self.db, "other")
        for value in (b"1", b"2"):
            self.load(b"".join(b"%03d\t%s\n" % (i, value * 50)
                               for i in range(100)))
            self.ok("flush", self.db)

    def setUp(self):
        super().setUp()
        self.load(b"")

    def corrupt(self, path, offset):
        with open(path, "r+b") as file:
            file.seek(offset)
            byte = file.read(1)[0]
            file.seek(offset)
            file.write(bytes([byte ^ 0xff]))

    def test_flush_makes_tables_of_what_wals_hold(self):
        self.load(b"a\t1\n")
        self.assertEqual(self.table_files(), [])
        families = self.json_lines("flush", self.db)
        self.assertEqual([f["column_family"] for f in families], ["default"])
        self.assertEqual(families[0]["before"]["files"], 0)
        self.assertEqual(families[0]["after"]["files"], 1)
        self.assertEqual(len(self.table_files()), 1)
        self.assertEqual(families[0]["after"]["bytes"],
                         os.path.getsize(self.table_files()[0]))
        self.assertEqual(self.dump()["default"], [(b"a", b"1")])
        # But for a note of the WAL before.
        self.assertNotIn(b"put", self.ok("dump-wal", self.db))
        # There is nothing left to flush.
        self.assertIn(b"1 file of ", self.ok("flush", self.db))
        self.assertEqual(len(self.table_files()), 1)
        self.expect(FAILED, "flush", self.db, "--column-family=none")

    def test_compact_merges_what_is_asked_for(self):
        self.make_levels()
        self.load(b"k\tv\n", "--column-family=other")
        before = self.dump()
        only = self.json_lines("compact", self.db, "--column-family=other")
        self.assertEqual([f["column_family"] for f in only], ["other"])
        self.assertEqual(len(self.table_files()), 3)
        nothing = self.json_lines("compact", self.db, "--from=x", "--to=z")
        self.assertEqual(nothing[0]["before"], nothing[0]["after"])
        families = {f["column_family"]: f
                    for f in self.json_lines("compact", self.db)}
        self.assertEqual(set(families), {"default", "other"})
        self.assertEqual(
            [(level["level"], level["files"])
             for level in families["default"]["before"]["levels"]], [(0, 2)])
        self.assertEqual(
            [(level["level"], level["files"])
             for level in families["default"]["after"]["levels"]], [(6, 1)])
        self.assertEqual(self.dump(), before)
        self.assertIn(b"1 file of ", self.ok("compact", self.db))

    def test_compact_with_force_rewrites_the_deepest_level(self):
        self.make_levels()
        self.ok("compact", self.db)
        files = self.table_files()
        self.ok("compact", self.db)
        self.assertEqual(self.table_files(), files)
        before = self.dump()
        self.ok("compact", self.db, "--force", "--hex", "--from", "30", "--to",
                "31")
        self.assertEqual(len(self.table_files()), len(files))
        self.assertNotEqual(self.table_files(), files)
        self.assertEqual(self.dump(), before)

    def test_verify_finds_damage_anywhere(self):
        self.make_levels()
        self.load(b"k\tv\n")
        self.assertRegex(
            self.ok("verify", self.db),
            rb"\Achecked 2 tables of .* and 3 WAL records: 0 damaged\n\Z")
        summary, = self.json_lines("verify", self.db)
        self.assertEqual(summary["damages"], 0)
        self.assertEqual(summary["table_bytes"],
                         sum(map(os.path.getsize, self.table_files())))
        first, second = self.table_files()
        for path, offset in ((first, 10), (second, 30),
                             (second, os.path.getsize(second) - 60),
                             (second, os.path.getsize(second) - 20),
                             (self.wal_files()[0], 8)):
            self.corrupt(path, offset)
            result = self.run_program("verify", self.db, "--json")
            self.assertEqual(result.returncode, FAILED)
            *damages, summary = map(json.loads, result.stdout.splitlines())
            self.assertEqual(len(damages), 1, damages)
            self.assertIn(path, damages[0]["damage"])
            self.assertIn("offset", damages[0]["damage"])
            self.assertEqual(summary["damages"], 1)
            self.corrupt(path, offset)  # Heals it.
        self.corrupt(first, 10)
        self.corrupt(second, 10)
        result = self.run_program("verify", self.db)
        self.assertEqual(result.returncode, FAILED)
        self.assertEqual(result.stdout.count(b"damage: "), 2)
        self.assertIn(b"2 damaged places", result.stderr)
        self.corrupt(first, 10)
        self.corrupt(second, 10)
        self.ok("verify", self.db)
        os.remove(first)
        text = self.run_program("verify", self.db)
        self.assertEqual(text.returncode, FAILED)
        self.assertIn(os.path.basename(first).encode(), text.stdout)

    def test_verify_finds_damage_in_the_manifest(self):
        self.make_levels()
        with open(os.path.join(self.db, "CURRENT")) as file:
            manifest = os.path.join(self.db, file.read().strip())
        self.corrupt(manifest, 9)
        result = self.run_program("verify", self.db)
        self.assertEqual(result.returncode, FAILED)
        self.assertIn(manifest.encode(), result.stdout)
        result = self.run_program("dump-manifest", self.db)
        self.assertEqual(result.returncode, FAILED)
        self.assertIn(b"damage: ", result.stdout)

    def test_verify_finds_a_torn_end_of_the_manifest(self):
        self.make_levels()
        with open(os.path.join(self.db, "CURRENT")) as file:
            manifest = os.path.join(self.db, file.read().strip())
        os.truncate(manifest, os.path.getsize(manifest) - 3)
        for command in ("verify", "dump-manifest"):
            result = self.run_program(command, self.db)
            self.assertEqual(result.returncode, FAILED)
            self.assertEqual(result.stdout.count(b"damage: "), 1)
            self.assertIn(os.path.basename(manifest).encode(), result.stdout)

    def test_verify_shows_how_many_bytes_of_wals_there_are(self):
        self.load(b"a\t1\n")
        self.assertEqual(self.table_files(), [])
        self.assertRegex(self.at_terminal("verify", self.db),
                         rb" of [1-9][0-9]* B ")

    def at_terminal(self, *arguments):
        """What the program shows on a standard error that is a terminal."""
        self.assertEqual(self.run_program(*arguments).stderr, b"")
        master, slave = pty.openpty()
        result = subprocess.run(
            [PROGRAM, *arguments], stdout=subprocess.PIPE, stderr=slave,
            check=False, timeout=PATIENCE, env={**os.environ, "TERM": "xterm"})
        os.close(slave)
        text = read_terminal(master)
        os.close(master)
        self.assertEqual(result.returncode, DONE)
        return text

    def test_long_commands_show_how_far_they_are_at_a_terminal(self):
        self.make_levels()
        self.load(b"x\t1\n")
        for arguments, shown in (
                (("verify", self.db), rb"kB of [0-9.]+ kB  0 damaged"),
                (("dump-sst", self.table_files()[0], "--entries"),
                 rb"[0-9]+ of 100 entries"),
                (("flush", self.db), rb" of [0-9.]+ k?B flushed"),
                (("compact", self.db, "--force"),
                 rb" of [0-9.]+ k?B merged")):
            with self.subTest(command=arguments[0]):
                text = self.at_terminal(*arguments)
                self.assertRegex(text, rb"\[[#-]{30}\] +[0-9]+%  .*" + shown)
                self.assertTrue(text.endswith(b"\r\x1b[K"), text[-100:])

    def test_dump_sst_shows_footer_properties_and_entries(self):
        self.ok("put", self.db, "a", "1" * 200)
        self.ok("put", self.db, "00", "ff", "--hex")
        self.ok("delete", self.db, "b")
        self.ok("flush", self.db)
        path, = self.table_files()
        text = self.ok("dump-sst", path)
        for line in (b"  format_version 5\n", b"  checksum XXH3\n",
                     b"  rocksdb.num.entries 3\n",
                     b"  rocksdb.comparator leveldb.BytewiseComparator\n",
                     b"  rocksdb.column.family.name default\n"):
            self.assertIn(line, text)
        text = self.ok("dump-sst", path, "--entries")
        self.assertIn(b"(200 bytes)", text)
        self.assertIn(b"  delete\t3\tb\n", text)
        self.assertIn(b"1" * 200, self.ok("dump-sst", path, "--entries",
                                          "--full"))
        table, *entries = self.json_lines("dump-sst", path, "--entries")
        self.assertEqual(table["bytes"], os.path.getsize(path))
        self.assertEqual(table["footer"]["format_version"], 5)
        self.assertEqual(table["properties"]["rocksdb.num.entries"], 3)
        self.assertEqual(
            [(e["operation"], e["sequence"]) for e in entries],
            [("put", 2), ("put", 1), ("delete", 3)])
        self.assertEqual(entries[0]["value_hex"], "ff")
        self.assertNotIn("value", entries[2])

    def test_dump_sst_says_what_it_cannot_read(self):
        path = self.write_file("x.sst", b"no table" * 100)
        self.assertIn(path.encode(), self.expect(FAILED, "dump-sst", path))
        self.expect(FAILED, "dump-sst", os.path.join(self.root, "none.sst"))

    def test_dump_sst_takes_tables_in_reverse_order(self):
        self.ok("column-families", "create", self.db, "b",
                "--comparator=reverse")
        self.load(b"x\t1\ny\t2\n", "--column-family=b")
        self.ok("flush", self.db)
        path, = self.table_files()
        entries = self.json_lines("dump-sst", path, "--entries")[1:]
        self.assertEqual([e["key"] for e in entries], ["y", "x"])
        self.ok("verify", self.db)

    def test_dump_manifest_tells_the_history_of_the_files(self):
        self.make_levels()
        numbers = [int(os.path.basename(path)[:-4])
                   for path in self.table_files()]
        edits = self.json_lines("dump-manifest", self.db)
        added = [f for e in edits for f in e.get("added_files", [])]
        self.assertEqual(sorted(f["number"] for f in added), numbers)
        self.assertEqual({f["level"] for f in added}, {0})
        self.assertEqual(added[0]["smallest"], "000")
        self.assertEqual(added[0]["largest"], "099")
        self.assertEqual(edits[-1].get("closed_cleanly"), True)
        self.assertIn("other", [e.get("adds_column_family") for e in edits])
        offsets = [e["offset"] for e in edits]
        self.assertEqual(offsets, sorted(set(offsets)))
        text = self.ok("dump-manifest", self.db)
        self.assertIn(b"  add file level=0 number=%d " % numbers[0], text)

    def test_stats_draw_the_levels(self):
        self.make_levels()
        family = json.loads(self.ok("stats", self.db, "--json"))[
            "column_families"][0]
        self.assertEqual(family["name"], "default")
        self.assertEqual(
            [(level["level"], level["files"]) for level in family["levels"]],
            [(0, 2)])
        self.assertEqual(family["read_amplification"], 2)
        self.assertEqual(family["estimated_entries"], 200)
        self.assertEqual(family["expected_write_amplification"], 1)
        text = self.ok("stats", self.db)
        self.assertRegex(text, rb"\n  level 0 +2 files +#+ +\S+ kB\n")
        self.assertIn(b"read amplification 2", text)
        self.ok("compact", self.db)
        text = self.ok("stats", self.db)
        self.assertRegex(text, rb"\n  level 6 +1 file +#+ +\S+ [kM]?B\n")
        self.assertIn(b"expected write amplification about 2.0", text)
        totals = json.loads(self.ok("stats", self.db, "--json"))["totals"]
        # By the process that compacted; it flushed nothing.
        self.assertEqual(totals["flush_bytes_written"], 0)
        self.assertLess(0, totals["compaction_bytes_written"])
        self.assertIsNone(totals["write_amplification"])


class GoldenTest(CliTest):
    def test_dump_finds_what_rocksdb_finds_in_every_mode(self):
        checked = 0
        with open(os.path.join(GOLDEN, "expected.txt"), "rb") as file:
            cases = [line.decode().split() for line in file
                     if line.strip() and not line.startswith(b"#")]
        for name, mode, outcome, *details in cases:
            directory = os.path.join(self.root, name)
            if not os.path.exists(directory):
                archive = os.path.join(GOLDEN, name + ".tar.gz")
                with tarfile.open(archive) as tar:
                    tar.extractall(self.root)
            result = self.run_program("dump", directory,
                                      f"--recovery-mode={mode}")
            with self.subTest(database=name, mode=mode):
                if name.startswith("optional_") and result.returncode != DONE:
                    self.assertIn(b"Not implemented", result.stderr)
                elif outcome == "error":
                    self.assertEqual(result.returncode, FAILED)
                    self.assertRegex(result.stderr,
                                     rb"\Apaceline: " + details[0].encode())
                else:
                    self.assertEqual(result.returncode, DONE, result.stderr)
                    self.assertEqual(result.stdout.count(b"\n"),
                                     int(details[0]))
                    self.assertEqual(
                        hashlib.sha256(result.stdout).hexdigest(), details[1])
            checked += 1
        self.assertLess(0, checked)


if __name__ == "__main__":
    if len(sys.argv) < 3:
        sys.exit(__doc__)
    PROGRAM, GOLDEN = sys.argv[1:3]
    unittest.main(argv=[sys.argv[0], *sys.argv[3:]])
