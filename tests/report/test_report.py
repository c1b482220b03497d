# SPDX-License-Identifier: BSD-3-Clause
"""plot.py and report.py: everything that was measured appears, and nothing else happens."""
import html.parser
import json
import pathlib
import subprocess
import sys
import tempfile
import unittest
import xml.etree.ElementTree

import fixture

REPORT = pathlib.Path(__file__).resolve().parents[2] / "perf/report"
# Of HTML, what the page may hold: nothing that runs, nothing that is fetched.
VOID = {"meta", "br", "path", "use", "rect", "circle"}
HOSTILE = """<script>alert('x')</script>"&amp;'`touch pwned`$(touch pwned)\\n@x"""


def run(program, *arguments, **options):
    return subprocess.run([sys.executable, REPORT / program, *map(str, arguments)], text=True,
                          capture_output=True, timeout=120, check=False, **options)


class Page(html.parser.HTMLParser):
    """The text of a page, its tags with what they have, and whether each that opens is closed."""

    def __init__(self, text):
        super().__init__()
        self.text, self.tags, self.open = "", [], []
        self.feed(text)
        self.close()

    def handle_starttag(self, tag, attrs):
        self.tags.append((tag, dict(attrs)))
        if tag not in VOID:
            self.open.append(tag)

    def handle_startendtag(self, tag, attrs):
        self.tags.append((tag, dict(attrs)))

    def handle_endtag(self, tag):
        if tag in VOID:
            return
        last = self.open.pop()
        assert last == tag, f"</{tag}> closes <{last}>"

    def handle_data(self, data):
        if not self.open or self.open[-1] != "style":
            self.text += data + "\n"

    def cells(self, name):
        """The text of the page from @name, a figure, to the next verdict."""
        return self.text.split(f"\n{name}\n", 1)[1][:400]


class TestCase(unittest.TestCase):
    def setUp(self):
        self.scratch = tempfile.TemporaryDirectory(prefix="flx-report-")
        self.addCleanup(self.scratch.cleanup)
        self.at = pathlib.Path(self.scratch.name)

    def write(self, data, name=None):
        path = self.at / (name or f"{data['scenario']}.json")
        path.write_text(data if isinstance(data, str) else json.dumps(data), encoding="utf-8")
        return path

    def refuse(self, done, *said):
        """@done failed with one line that has all of @said, and a remedy."""
        self.assertEqual(done.returncode, 1, done.stdout + done.stderr)
        self.assertEqual(done.stderr.count("\n"), 1, done.stderr)
        self.assertTrue(done.stderr.startswith("flxperf: error: "), done.stderr)
        self.assertRegex(done.stderr, "; (give|let) |: apt-get install")
        for words in said:
            self.assertIn(words, done.stderr)


class Plot(TestCase):
    def plot(self, data):
        out = self.at / "out.svg"
        done = run("plot.py", self.write(data), out, cwd=self.at)
        self.assertEqual(done.returncode, 0, done.stderr)
        self.assertEqual(done.stderr, "")
        root = xml.etree.ElementTree.parse(out).getroot()
        self.assertEqual(root.tag, "{http://www.w3.org/2000/svg}svg")
        return "\n".join(text.strip() for text in root.itertext() if text.strip())

    def test_every_scenario_has_its_picture(self):
        wanted = {
            fixture.hop: ["hop.same_core", "hop.cross_core", "ring.spsc", "25.20  (2.84 x)",
                          "cycles/msg"],
            fixture.ctx: ["ctx.bind.1m", "rte_hash.bind.1m", "cds_lfht.bind.10m", "522.4"],
            fixture.latency: ["Latency by percentile", "idle", "90 % of PDR", "floor", "99.99",
                              "max", "latency.90: rate and drops over time, 2 runs", "dropped"],
            fixture.scale: ["Scaling against ideal", "ideal", "one fabric", "rings", "fabrics"],
            fixture.node: ["node.udp.flx", "node.udp.node", "6.20"],
        }
        for make, texts in wanted.items():
            said = self.plot(make())
            for text in texts:
                self.assertIn(text, said, make.__name__)

    def test_figures_with_nothing_beside_them_are_drawn_alone(self):
        said = self.plot(fixture.run_of("idle", [fixture.figure("idle.cpu", "%", [1.0, 1.2, 1.1]),
                                                 fixture.figure("idle.dip", "%", [-3, -2.5, -4])]))
        self.assertIn("idle.cpu", said)
        self.assertIn("-3", said)

    def test_all_zero_is_drawn(self):
        self.assertIn("x.lost", self.plot(fixture.run_of("x", [fixture.figure("x.lost", "%", [0, 0])])))

    def test_latencies_of_zero_do_not_spoil_the_axis(self):
        said = self.plot(fixture.run_of("latency", [fixture.figure("latency.10.p50", "us", [0]),
                                                    fixture.figure("latency.10.p99", "us", [7])]))
        self.assertIn("99", said)

    def test_hostile_names_are_text(self):
        data = fixture.run_of("x", [fixture.figure(HOSTILE, "<b>", [1, 2, 3], floor=(HOSTILE, 2))],
                              series=[{"name": HOSTILE, "run": 0, "rows": [[0, 1, 1, 0]]}])
        said = self.plot(data)
        self.assertIn("<script>alert('x')</script>\"&amp;'`touch pwned`$(touch", said)
        self.assertFalse((self.at / "pwned").exists())

    def test_nothing_to_draw_is_an_error(self):
        self.refuse(run("plot.py", self.write(fixture.run_of("hop", [])), self.at / "out.svg"),
                    "hop.json", "no results")

    def test_without_gnuplot_it_says_so(self):
        done = run("plot.py", self.write(fixture.hop()), self.at / "out.svg",
                   env={"PATH": str(self.at)})
        self.refuse(done, "gnuplot-nox")
        self.assertFalse((self.at / "out.svg").exists())

    def test_a_file_that_cannot_be_written_is_named(self):
        self.refuse(run("plot.py", self.write(fixture.hop()), self.at / "no/out.svg"), "no/out.svg")

    def test_wrong_usage_is_refused(self):
        self.assertEqual(run("plot.py", self.write(fixture.hop())).returncode, 2)


class Report(TestCase):
    def report(self, *runs, notes=None, expect=()):
        files = [self.write(data, f"{number}.json") for number, data in enumerate(runs)]
        more = []
        if notes is not None:
            (self.at / "notes.md").write_text(notes, encoding="utf-8")
            more = ["--notes", self.at / "notes.md"]
        if expect:
            more += ["--expect", *expect]
        out = self.at / "report.html"
        done = run("report.py", *files, "-o", out, *more, cwd=self.at)
        self.assertEqual(done.returncode, 0, done.stderr)
        self.assertEqual(done.stderr, "")
        page = Page(out.read_text(encoding="utf-8"))
        self.assertEqual(page.open, [])
        self.check_alone(page)
        return page

    def check_alone(self, page):
        """Needs no script and no network, and names nothing twice."""
        ids = [attrs["id"] for _, attrs in page.tags if "id" in attrs]
        self.assertEqual(len(ids), len(set(ids)))
        for tag, attrs in page.tags:
            self.assertNotIn(tag, ("script", "link", "img", "iframe", "object", "embed"))
            for name, value in attrs.items():
                self.assertFalse(name.startswith("on"), (tag, name))
                if name in ("href", "xlink:href", "src"):
                    self.assertTrue(value.startswith("#") and value[1:] in ids, value)

    def test_everything_that_was_found_appears(self):
        runs = [make() for make in fixture.ALL]
        page = self.report(*runs, notes=fixture.NOTES)
        for data in runs:
            for result in data["results"]:
                self.assertIn(f"\n{result['name']}\n", page.text)
                self.assertIn(result.get("what", ""), page.text)
            for skipped in data["skipped"]:
                self.assertIn(skipped["name"], page.text)
                self.assertIn(skipped["reason"], page.text)
            for said in data["asserts"]:
                for key in ("claim", "result", "says"):
                    self.assertIn(said[key], page.text)
            self.assertIn(" ".join(data["command"]), page.text)
        for text in ("Xeon", "5757b69befc2", "DEV MODE", "keep them idle", "unexplained 0",
                     "exit status 1", "Latency by percentile", "Scaling against ideal"):
            self.assertIn(text, page.text)
        self.assertEqual(sum(tag == "svg" for tag, _ in page.tags), 8)

    def test_bounds_are_judged(self):
        page = self.report(fixture.hop(), fixture.node())
        self.assertIn("2 of 4 hold, 1 MISSED, 1 not measured", page.text)
        missed = page.cells("hop.cross_core")
        for text in ("≤\u00a01.5 × ring.spsc", "here 13.30", "not reached", "25.20",
                     "[20.90 .. 25.80] cycles/msg", "5 runs", "2.84 x ring.spsc", "MISSED"):
            self.assertIn(text, missed)
        self.assertNotIn("MISSED", page.cells("hop.same_core").split("hop.cross_core")[0])
        self.assertIn("apt-get install nodejs", page.cells("node.inprocess"))
        self.assertIn("not measured", page.cells("node.inprocess"))

    def test_a_bound_without_its_floor_is_not_measured(self):
        data = fixture.hop()
        del data["results"][2]["must"]["limit"]
        page = self.report(data)
        self.assertIn("1 of 2 hold, 0 MISSED, 1 not measured", page.text)

    def test_what_went_wrong_shows(self):
        data = fixture.hop()
        data |= {"interrupted": True, "failed": True, "flags": ["GENERATOR-LIMITED"]}
        data["ledger"]["unexplained"] = -3
        page = self.report(data)
        for text in ("interrupted", "a run failed", "GENERATOR-LIMITED", "unexplained -3"):
            self.assertIn(text, page.text)
        self.assertIn(("span", {"class": "bad"}), page.tags)

    def headlines(self, *runs, **options):
        """(class, text) of what stands over the table of bounds."""
        page = self.report(*runs, **options)
        kinds = [attrs["class"].split()[1] for tag, attrs in page.tags
                 if tag == "p" and attrs.get("class", "").startswith("verdict")]
        after = page.text.split("What must hold\n", 1)[1].split("\n")
        return list(zip(kinds, after))

    def good(self, **more):
        return fixture.run_of("idle", [fixture.figure("idle.cpu", "%", [1] * 5,
                                                      must=fixture.bound("<= 5", 5, True))], **more)

    def test_a_run_that_did_not_end_well_makes_the_headline_bad(self):
        held = "1 of 1 hold, 0 MISSED, 0 not measured"
        self.assertEqual(self.headlines(self.good()), [("good", held)])
        for more, said in (({"failed": True, "exit": 1}, "idle failed"),
                           ({"failed": True}, "idle failed"),
                           ({"interrupted": True, "exit": 130}, "idle was interrupted"),
                           ({"exit": 1}, "idle ended with status 1"),
                           ({"exit": 139}, "idle ended with status 139")):
            with self.subTest(more=more):
                self.assertEqual(self.headlines(self.good(**more)), [("bad", held), ("bad", said)])
        empty = fixture.run_of("move", [], failed=True, exit=1)
        self.assertEqual(self.headlines(self.good(), empty), [("bad", held), ("bad", "move failed")])
        self.assertIn(("bad", "move failed"), self.headlines(empty))

    def test_a_generator_that_was_the_limit_is_a_warning(self):
        limited = self.good(exit=3)
        self.assertEqual([kind for kind, _ in self.headlines(limited)], ["good"])
        page = self.report(limited)
        self.assertIn("idle: the generator was the limit", page.text)
        self.assertNotIn(("span", {"class": "bad"}), page.tags)

    def test_what_was_expected_and_is_not_there_is_named(self):
        bind = fixture.ctx()
        bind["command"][1] = "ctx.bind"
        self.assertEqual(
            self.headlines(self.good(), bind, expect=["idle", "ctx.bind", "hop", "ctx.restart.1m", "hop"]),
            [("bad", "4 of 4 hold, 0 MISSED, 0 not measured"), ("bad", "hop did not run"),
             ("bad", "ctx.restart.1m did not run")])
        self.assertIn(("bad", "ctx did not run"), self.headlines(bind, expect=["ctx"]))
        self.assertEqual(self.headlines(self.good(), expect=["idle"])[1:], [])
        # None at all.
        self.assertEqual(self.headlines(expect=["<hop>"])[1:], [("bad", "<hop> did not run")])
        self.assertEqual(run("report.py", "-o", self.at / "r.html").returncode, 2)

    def test_a_bound_is_missed_only_when_it_is_known(self):
        for known, holds, word in ((True, True, "1 of 1 hold"), (True, False, "1 MISSED"),
                                   (False, False, "0 MISSED, 1 not measured"),
                                   (False, True, "0 MISSED, 1 not measured"),
                                   (None, False, "1 MISSED")):
            must = fixture.bound("<= 5", 5, holds) | ({} if known is None else {"known": known})
            data = fixture.run_of("x", [fixture.figure("x", "u", [1] * 5, must=must)])
            with self.subTest(known=known, holds=holds):
                self.assertIn(word, self.report(data).text)

    def test_few_runs_are_told(self):
        for count, said in ((1, "1 run, fewer than 5"), (4, "4 runs, fewer than 5"), (5, "5 runs")):
            data = fixture.run_of("x", [fixture.figure("x", "u", [1] * count,
                                                       must=fixture.bound("<= 5", 5, True))])
            page = self.report(data)
            self.assertIn(f"{said}\n", page.text)
            # Over the bounds, and in the table of all figures.
            self.assertEqual(page.text.count("fewer than 5"), 2 if count < 5 else 0)

    def test_machines_that_differ_are_warned_of(self):
        other = fixture.node()
        other["environment"] |= {"cpu": "AMD EPYC", "memory": "ordinary"}
        self.assertIn("node ran in another environment than hop: cpu, memory differ",
                      self.report(fixture.hop(), other).text)
        self.assertNotIn("another environment", self.report(fixture.hop(), fixture.node()).text)

    def test_hostile_texts_are_text(self):
        data = fixture.run_of(HOSTILE, [
            fixture.figure(HOSTILE, HOSTILE, [1, 2], HOSTILE, (HOSTILE, 2),
                           fixture.bound(HOSTILE, 1, False), fixture.bound(HOSTILE, 1, True))],
            command=[HOSTILE], started=HOSTILE, flags=[HOSTILE],
            environment={"cpu": HOSTILE, HOSTILE: HOSTILE, "warnings": [HOSTILE]},
            skipped=[{"name": HOSTILE, "reason": HOSTILE}],
            asserts=[{"claim": HOSTILE, "result": HOSTILE, "says": HOSTILE}])
        page = self.report(data, notes=f"# {HOSTILE}\n\n- {HOSTILE}\n\n|{HOSTILE}|\n\n{HOSTILE}\n"
                           f"```\n{HOSTILE}\n```\n")
        self.assertGreater(page.text.count("<script>alert('x')</script>"), 15)
        self.assertFalse((self.at / "pwned").exists())

    def test_little_is_enough(self):
        page = self.report({"flxperf": 1, "scenario": "hop", "results": []})
        self.assertIn("None of these figures has a bound.", page.text)
        self.assertIn("No figure was measured.", page.text)

    def test_notes_are_shown(self):
        page = self.report(fixture.hop(), notes=fixture.NOTES)
        tags = [tag for tag, _ in page.tags]
        for tag in ("strong", "code", "pre", "li", "td"):
            self.assertIn(tag, tags)
        self.assertIn(" 20.1 %  push <local>", page.text)
        self.assertNotIn("```", page.text)
        self.assertNotIn("|", page.text)

    def test_what_is_missing_is_named(self):
        self.refuse(run("report.py", self.at / "no.json", "-o", self.at / "r.html"), "no.json",
                    "No such file")
        good = self.write(fixture.hop())
        self.refuse(run("report.py", good, "-o", self.at / "r.html", "--notes", self.at / "no.md"),
                    "no.md")
        self.refuse(run("report.py", good, "-o", self.at / "no/r.html"), "no/r.html")

    def test_what_is_not_ours_is_refused(self):
        result = fixture.figure("x", "u", [1])
        for bad, said in (
                ("", "line 1"),
                ("RESULT hop 1", "line 1"),
                ("[1]", "\"flxperf\""),
                ("{}", "\"flxperf\""),
                ('{"flxperf": 2}', "version 2"),
                ('{"flxperf": 1, "scenario": "x"}', "\"results\""),
                ('{"flxperf": 1, "scenario": 7, "results": []}', "\"scenario\""),
                ('{"flxperf": 1, "scenario": "x", "results": [7]}', "result 0"),
                ('{"flxperf": 1, "scenario": "x", "results": [], "seconds": NaN}', "NaN"),
                ('{"flxperf": 1, "scenario": "x", "results": [], "seconds": 1e999}', "\"seconds\""),
                ("[" * 100000, "not a file"),
                (fixture.run_of("x", [result | {"value": "1"}]), "\"value\""),
                (fixture.run_of("x", [result | {"runs": [1, "2"]}]), "runs of result 0"),
                (fixture.run_of("x", [result | {"must": {}}]), "must of result 0"),
                (fixture.run_of("x", [result], asserts=[{}]), "asserts 0"),
                (fixture.run_of("x", [result], skipped=[{"name": "y"}]), "skipped 0"),
                (fixture.run_of("x", [result], series=[{"name": "y", "run": 0, "rows": [[1, 2]]}]),
                 "series y")):
            for program, more in (("report.py", ["-o"]), ("plot.py", [])):
                with self.subTest(said=said, program=program):
                    path = self.write(bad, "bad.json")
                    self.refuse(run(program, path, *more, self.at / "out"), "bad.json", said)
                    self.assertFalse((self.at / "out").exists())


if __name__ == "__main__":
    unittest.main(verbosity=2)
