# SPDX-License-Identifier: BSD-3-Clause
"""README.md, followed to the letter.

The words behind the language of a code block say what to do with it, in the order of the page:

    ```c test FILE            save it as FILE
    ```sh test                run it; it must succeed
    ```sh test background     start it; the next such block, or the end, stops it with ctrl-C
    ```sh test background killed    the same, but it is killed
    ```text test              what the last ```sh test printed; a line "..." stands for any lines,
                              "..." in a line for any text
"""
import pathlib
import re
import signal
import subprocess
import tempfile

import harness
from harness import BUILD, FLX, SOURCE, run

README = (SOURCE / "README.md").read_text()
BLOCK = re.compile(r"^```(\w+) test *(.*)\n((?:.*\n)*?)```$", re.MULTILINE)

# What the source has, where git does not tell.
NAMES = ("LICENSE", "README.md", "apps", "context-store", "fabric", "meson.build", "perf",
         "pmd-config", "scheduler", "tests")


def source_names():
    """Files and folders of the source, and not what a reader of the page made beside them."""
    try:
        tracked = subprocess.run(["git", "ls-files"], cwd=SOURCE, text=True, check=True,
                                 capture_output=True).stdout
    except (OSError, subprocess.CalledProcessError):
        tracked = ""
    names = {path.split("/")[0] for path in tracked.splitlines()} or set(NAMES)
    return sorted(name for name in names if not name.startswith("."))


class Reader:
    """A newcomer in a directory that looks like the source, with build/ as the build to test."""

    def __init__(self, folder):
        self.folder = pathlib.Path(folder)
        self.output = ""
        self.background = None
        self.end = signal.SIGINT
        self.ledgers = 0
        for name in source_names():
            (self.folder / name).symlink_to(SOURCE / name)
        (self.folder / "build").symlink_to(BUILD)

    def do(self, language, words, text):
        if language == "c":
            (self.folder / words).write_text(text)
        elif language == "sh" and words.startswith("background"):
            self.stop()
            self.start(text)
            self.end = signal.SIGKILL if words.endswith("killed") else signal.SIGINT
        elif language == "sh":
            self.output = run("bash", "-euc", text, cwd=self.folder).stdout
        elif language == "text":
            pattern = "".join(".*" if line == "..." else
                              re.escape(line).replace(r"\.\.\.", r"[^\n]*") + "\n"
                              for line in text.splitlines())
            assert re.fullmatch(pattern, self.output, re.DOTALL), \
                f"expected\n{text}but got\n{self.output}"
        else:
            raise AssertionError(f"unknown kind of block: {language} {words}")

    def start(self, text):
        log = open(self.folder / "background.log", "w+b")
        # exec: a signal must reach the command, as ctrl-C does, and not the shell only.
        self.background = subprocess.Popen(
            ["bash", "-euc", "exec " + text.strip()], cwd=self.folder, stdin=subprocess.DEVNULL,
            stdout=log, stderr=subprocess.STDOUT, preexec_fn=harness.die_with_parent), log
        # Its first status line: it runs.
        fabric = harness.Fabric.__new__(harness.Fabric)
        fabric.process, fabric.log = self.background
        fabric.wait_for(lambda: " s  rx" in fabric.output(), "the first status line")

    def stop(self):
        if not self.background:
            return
        process, log = self.background
        process.send_signal(self.end)
        status = process.wait(20)
        log.seek(0)
        output = log.read().decode(errors="replace")
        log.close()
        self.background = None
        if self.end == signal.SIGKILL:
            return
        assert status == 0 and "\nunexplained 0\n" in output, f"status {status}\n{output}"
        self.ledgers += 1


class Readme(harness.TestCase):
    def test_names_of_the_source_are_known_without_git(self):
        self.assertEqual(source_names(), list(NAMES))

    def test_commands_do_what_it_says(self):
        blocks = BLOCK.findall(README)
        self.assertGreater(len(blocks), 5)
        with tempfile.TemporaryDirectory() as folder:
            reader = Reader(folder)
            for language, words, text in blocks:
                reader.do(language, words, text)
            reader.stop()
        self.assertEqual(reader.ledgers, 3)

    def test_files_and_folders_that_it_names_exist(self):
        names = re.findall(r"`([\w.-]+/[\w./-]*)`", README)
        self.assertGreater(len(names), 20)
        for name in names:
            if not name.startswith("build"):
                self.assertTrue((SOURCE / name).exists(), name)

    def test_options_that_it_names_exist(self):
        known = run(FLX, "run", "--help").stdout
        for line in re.findall(r".*\bflx (?:run|check)\b.*", README):
            for option in re.findall(r"(?<![\w-])--[a-z][a-z-]*", line):
                self.assertIn(option + " ", known, line)


if __name__ == "__main__":
    harness.main(network=True)
