#!/usr/bin/env python3
"""Checks that the `paceline` program is built to withstand attacks.

  hardening_test.py PROGRAM [unittest arguments]
"""

import shutil
import subprocess
import sys
import unittest

PROGRAM = ""


def readelf(*arguments):
    return subprocess.run(["readelf", "--wide", *arguments, PROGRAM],
                          check=True, capture_output=True, text=True).stdout


@unittest.skipIf(shutil.which("readelf") is None, "NOT TESTED: needs readelf")
class HardeningTest(unittest.TestCase):

    def test_it_can_be_loaded_anywhere(self):
        self.assertIn("DYN (Position-Independent", readelf("--file-header"))

    def test_no_stack_is_executable(self):
        stack, = (line.split() for line in
                  readelf("--program-headers").splitlines()
                  if "GNU_STACK" in line)
        self.assertNotIn("E", stack[6])

    def test_addresses_are_resolved_at_once_and_then_read_only(self):
        self.assertIn("GNU_RELRO", readelf("--program-headers"))
        self.assertIn("BIND_NOW", readelf("--dynamic"))

    def test_buffers_and_stacks_are_checked(self):
        symbols = readelf("--dyn-syms")
        self.assertIn("__stack_chk_fail", symbols)
        self.assertIn("__snprintf_chk", symbols)


if __name__ == "__main__":
    PROGRAM = sys.argv.pop(1)
    unittest.main()
