"""The gates of the specification: every tag has a row, every step one meaning, and no wire detail where people read."""

from __future__ import annotations

import ast
import importlib
import pkgutil
import re
import shutil
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path

import pytest
import yaml
from pytest_bdd import parsers
from pytest_bdd.feature import get_feature
from pytest_bdd.parser import Feature, Scenario, Step
from pytest_bdd.steps import StepFunctionContext

from pdpp_conformance.applicability import CONDITIONS
from pdpp_conformance.catalogue import Catalogue, CatalogueError, Task, read_catalogue
from pdpp_conformance.coverage import coverage_of
from pdpp_conformance.feature_files import FeatureFile, ScenarioFacts, marker_of, tags_below
from pdpp_conformance.specification import specification_root

ROOT = specification_root()
FEATURES = sorted((ROOT / "features").rglob("*.feature"))
SCHEMA = ROOT / "schemas" / "catalogue.schema.json"
NOT_JUDGED_YET: frozenset[str] = frozenset()
COVERED_TASKS = {
    *("1.1", "1.2", "1.3"),
    *("2.1", "2.2", "2.3"),
    *("3.1", "3.2", "3.3", "3.4", "3.5"),
    *("4.1", "4.2", "4.3"),
    *("5.1", "5.2", "5.3", "5.5"),
}


@dataclass(frozen=True)
class Written:
    """A scenario with the values of one example in it, and all its tags, inherited ones included."""

    path: Path
    scenario: Scenario
    tags: frozenset[str]

    def __str__(self) -> str:
        return f"{self.path.name}: {self.scenario.name}"


def written_in(path: Path) -> list[Written]:
    feature = get_feature(str(path.parent), path.name)
    written = []
    for template in feature.scenarios.values():
        rule = template.rule.tags if template.rule is not None else set()
        contexts = [context for examples in template.examples for context in examples.as_contexts()]
        for context in contexts or [{}]:
            tags = frozenset({*feature.tags, *rule, *template.tags})
            written.append(Written(path, template.render(context), tags))
    return written


@cache
def scenarios() -> list[Written]:
    return [written for path in FEATURES for written in written_in(path)]


@cache
def catalogue() -> Catalogue:
    return read_catalogue(ROOT / "features" / "catalogue", SCHEMA)


def definitions_in(module: object) -> list[StepFunctionContext]:
    """The step definitions of a module: pytest-bdd leaves each in a fixture among the module's names."""
    found = []
    for name, value in vars(module).items():
        if name.startswith("pytestbdd_stepdef_"):
            context = value._get_wrapped_function()()
            assert isinstance(context, StepFunctionContext)
            found.append(context)
    return found


@cache
def step_definitions() -> list[StepFunctionContext]:
    steps = importlib.import_module("steps")
    modules = [importlib.import_module(found.name) for found in pkgutil.iter_modules(steps.__path__, "steps.")]
    return [definition for module in modules for definition in definitions_in(module)]


def meanings(step: Step, definitions: Sequence[StepFunctionContext]) -> list[StepFunctionContext]:
    return [
        definition
        for definition in definitions
        if definition.type in (None, step.type) and definition.parser.is_matching(step.name)
    ]


# -- tags --------------------------------------------------------------------------------------------------------------


class TestTags:
    def test_each_names_a_row_or_a_task(self) -> None:
        """A tag that looks like a requirement is one of the catalogue, and a task's is one of the nineteen."""
        tags = tags_below(ROOT / "features")
        rows = {tag for tag in tags if re.fullmatch(r"[A-Z]{2,}-\d+\w*", tag)}
        tasks = {tag.removeprefix("task-") for tag in tags if tag.startswith("task-")}
        assert rows - set(catalogue().requirements) == set()
        assert tasks - set(catalogue().tasks) == set()
        assert len(catalogue().tasks) == 19
        selections = {task.selection for task in catalogue().tasks.values()}
        others = {
            *("browser", "expires", "fuzzed", "idle", "limit", "negative"),
            *("paced", "setup_client", "validator", "wrong_code"),
            *selections,
        }
        assert tags - rows - {f"task-{task}" for task in tasks} <= others

    @pytest.mark.parametrize(
        "task", [task for task in catalogue().tasks.values() if task.selection], ids=lambda t: t.id
    )
    def test_a_selection_is_its_tasks(self, task: Task) -> None:
        """What a named selection runs are all scenarios of the tasks that it consists of, and no other."""
        tags = {f"task-{part}" for part in (task.id, *task.consists_of)}
        assert task.selection is not None
        selected = [str(written) for written in scenarios() if task.selection in written.tags]
        assert selected == [str(written) for written in scenarios() if written.tags & tags]

    def test_each_row_is_judged_or_explained(self) -> None:
        """A row has a scenario, or says why it cannot be observed, or waits for the operator's word.

        What no scenario judges yet is named here, so that the list can only grow shorter; reports call it EXCLUDED.
        """
        assert set(coverage_of(ROOT / "features", catalogue()).unexplained) == NOT_JUDGED_YET

    def test_no_two_become_one_marker(self) -> None:
        """Tags that differ stay apart as markers."""
        tags = tags_below(ROOT / "features")
        assert len({marker_of(tag) for tag in tags}) == len(tags)

    def test_each_scenario_judges_a_requirement(self) -> None:
        """A scenario without a requirement would be evidence of nothing."""
        rows = set(catalogue().requirements)
        assert [str(written) for written in scenarios() if not written.tags & rows] == []

    def test_each_scenario_of_a_task_feature_proves_it(self) -> None:
        """The features of the tasks carry their tasks; those of the standards carry none."""
        carrying = {written: any(tag.startswith("task-") for tag in written.tags) for written in scenarios()}
        assert [str(w) for w, carries in carrying.items() if carries == (w.path.parent.name == "standards")] == []

    @pytest.mark.parametrize("task", sorted(COVERED_TASKS))
    def test_tasks_with_scenarios(self, task: str) -> None:
        """Each task of the device smoke has scenarios, in a file that bears its number."""
        own = [written for written in scenarios() if f"task-{task}" in written.tags]
        assert own
        assert {written.path.name[:3].replace("_", ".") for written in own} >= {task}

    def test_conditions_are_known(self) -> None:
        """A condition on a row is one that the harness can tell; a revision is none, but the row's window."""
        rows = [row for row in catalogue().requirements.values() if row.applies_if]
        conditions = {condition for row in rows for condition in str(row.applies_if).split(", ")}
        assert conditions - set(CONDITIONS) == set()


# -- names -------------------------------------------------------------------------------------------------------------


class TestNames:
    @pytest.mark.parametrize("path", FEATURES, ids=lambda path: path.name)
    def test_unique_in_each_feature(self, path: Path) -> None:
        """pytest-bdd drops one of two scenarios of a name without a word; examples must not be told alike either."""
        declared = re.findall(r"^\s*(?:Scenario(?: Outline| Template)?|Example):\s*(.*\S)", path.read_text(), re.M)
        feature = get_feature(str(path.parent), path.name)
        assert Counter(declared) == Counter(feature.scenarios.keys())

    def test_ids_are_unique(self, request: pytest.FixtureRequest) -> None:
        """Every collected scenario, each example of an outline included, has an id of its own."""
        ids = Counter(
            ScenarioFacts(item, ROOT).id
            for path in FEATURES
            for item in FeatureFile.from_parent(request.session, path=path).collect()
            if isinstance(item, pytest.Function)
        )
        assert [scenario for scenario, count in ids.items() if count > 1] == []
        assert ids.total() == len(scenarios())

    @pytest.mark.parametrize("keyword", ["Scenario", "Scenario Outline", "Example", "Scenario Template"])
    def test_a_repeated_name_is_refused(self, request: pytest.FixtureRequest, tmp_path: Path, keyword: str) -> None:
        """Collecting a feature that says one name twice fails, whichever keyword introduces it."""
        path = tmp_path / "twice.feature"
        examples = (
            "      Examples:\n        | a |\n        | 1 |\n" if keyword.endswith(("Outline", "Template")) else ""
        )
        second = f"  Rule: R\n\n    {keyword}: It holds  \n      Given it\n"
        path.write_text(f"Feature: F\n\n  Scenario: It holds\n    Given it\n\n{second}{examples}")
        with pytest.raises(pytest.Collector.CollectError, match="two scenarios bear the name 'It holds'"):
            list(FeatureFile.from_parent(request.session, path=path).collect())

    def test_a_bad_file_is_named(self, request: pytest.FixtureRequest, tmp_path: Path) -> None:
        """What is no Gherkin is refused with its name, and spoils no other file."""
        path = tmp_path / "bad.feature"
        path.write_text("Feature: F\n  Scenario: S\n    Given it\n  Nonsense: S\n")
        with pytest.raises(pytest.Collector.CollectError, match=r"bad\.feature"):
            list(FeatureFile.from_parent(request.session, path=path).collect())

    @pytest.mark.parametrize(
        ("content", "told"),
        [
            ("Scenario: S\n    Hopefully it works", "the scenario 'S' has no steps"),
            ("Scenario: S", "the scenario 'S' has no steps"),
            ("Background:\n    Given it\n  Scenario: S", "the scenario 'S' has no steps"),
            ("Scenario Outline: S <a>\n    Given <a>", "the scenario 'S <a>' has no examples"),
            (
                "Scenario Outline: S <a>\n    Given <a>\n    Examples:\n      | a |",
                "the scenario 'S <a>' has no examples",
            ),
        ],
    )
    def test_nothing_to_judge(self, request: pytest.FixtureRequest, tmp_path: Path, content: str, told: str) -> None:
        """A scenario without steps, or an outline without examples, would pass or vanish; it is refused."""
        path = tmp_path / "empty.feature"
        path.write_text(f"Feature: F\n  {content}\n")
        with pytest.raises(pytest.Collector.CollectError, match=re.escape(f"empty.feature: {told}")):
            list(FeatureFile.from_parent(request.session, path=path).collect())


# -- steps -------------------------------------------------------------------------------------------------------------


class TestSteps:
    def test_each_has_one_meaning(self) -> None:
        """Of a step that fits two definitions pytest-bdd takes one, and says nothing."""
        wrong = {
            f"{written.path.name}:{step.line_number}: {step.name}": [
                definition.step_func.__name__ for definition in meanings(step, step_definitions())
            ]
            for written in scenarios()
            for step in written.scenario.steps
            if len(meanings(step, step_definitions())) != 1
        }
        assert wrong == {}

    def test_each_definition_is_used(self) -> None:
        """A definition that no feature speaks is dead."""
        spoken = {(step.type, step.name): step for written in scenarios() for step in written.scenario.steps}.values()
        unused = [
            f"{definition.step_func.__module__}: {definition.parser.name}"
            for definition in step_definitions()
            if not any(definition in meanings(step, [definition]) for step in spoken)
        ]
        assert unused == []

    def test_each_scenario_judges(self) -> None:
        """A scenario ends in a Then, has no placeholder left, and no line that Gherkin takes for prose."""
        assert [str(written) for written in scenarios() if written.scenario.steps[-1].type != "then"] == []
        assert [str(written) for written in scenarios() if written.scenario.description.strip()] == []
        assert [
            step.name for written in scenarios() for step in written.scenario.steps if re.search(r"<\w+>", step.name)
        ] == []

    def test_the_gate_sees_ambiguity(self) -> None:
        """Two patterns that both fit are both found; another type of step is another meaning."""
        definitions = [
            StepFunctionContext("then", str, parsers.parse("it is refused with {code}")),
            StepFunctionContext("then", str, parsers.re(r"it is refused .+")),
            StepFunctionContext("when", str, parsers.re(r"it is refused .+")),
            StepFunctionContext(None, str, parsers.string("it is refused with denied")),
            StepFunctionContext("then", str, parsers.string("it is refused")),
        ]
        step = Step("it is refused with denied", "then", 0, 1, "Then")
        assert meanings(step, definitions) == [definitions[0], definitions[1], definitions[3]]

    def test_definitions_are_found(self) -> None:
        """Every decorated function of steps/ is among those that the gates look at."""
        sources = [path.read_text(encoding="utf-8") for path in (ROOT / "steps").glob("*.py")]
        decorators = sum(len(re.findall(r"^@(?:given|when|then|step)\(", source, re.M)) for source in sources)
        assert len(step_definitions()) == decorators > 100


# -- wire details ------------------------------------------------------------------------------------------------------

URL_PATH = re.compile(r"(?<![\w.])/(?:\.well-known|oauth|mcp|v\d|device|introspect|owner|consent|grants|token)\b")
DEPLOYMENT = re.compile(r"\b(?:bundled|longview|pdpp\.(?:dev|org)|vana|localhost|127\.0\.0\.1)\b", re.I)


def wire_details(source: str) -> list[str]:
    """What code of steps/ must leave to the harness: URL paths, members of wire documents, names of deployments.

    A step's own sentence is Gherkin, which speaks of `/mcp` where the change does.
    """
    tree = ast.parse(source)
    sentences = {
        id(constant)
        for function in ast.walk(tree)
        if isinstance(function, ast.FunctionDef)
        for decorator in function.decorator_list
        for constant in ast.walk(decorator)
    }
    found = []
    for node in ast.walk(tree):
        if isinstance(node, ast.Constant) and isinstance(node.value, str) and id(node) not in sentences:
            found += [f"{node.lineno}: {hit.group()}" for hit in URL_PATH.finditer(node.value)]
            found += [f"{node.lineno}: {hit.group()}" for hit in re.finditer(r"\w+://", node.value)]
            found += [f"{node.lineno}: {hit.group()}" for hit in DEPLOYMENT.finditer(node.value)]
        if (
            isinstance(node, ast.Subscript)
            and isinstance(node.slice, ast.Constant)
            and isinstance(node.slice.value, str)
        ):
            found.append(f"{node.lineno}: {ast.unparse(node)}")
    return found


class TestWireDetails:
    @pytest.mark.parametrize("path", sorted((ROOT / "steps").glob("*.py")), ids=lambda path: path.name)
    def test_none_in_steps(self, path: Path) -> None:
        """A step says what is judged; where it stands on the wire is the harness's business."""
        assert wire_details(path.read_text(encoding="utf-8")) == []

    @pytest.mark.parametrize(
        "planted",
        [
            'answer = run.recorder.send("POST", base + "/oauth/token")',
            'run.rest("/v1/streams", token)',
            'url = f"{origin}/mcp"',
            'well_known = "/.well-known/oauth-protected-resource"',
            'url = "https://as.example"',
            'judge.that(answer.json()["error"] == "invalid_grant", "", "")',
            'grant = document.content["pdpp_agent_discovery"]["mcp"]',
            'if "longview" in clients: pass',
            'type = "pdpp.dev"',
            '@then("fine")\ndef fine():\n    return "/oauth/device_authorization"',
        ],
    )
    def test_the_gate_sees_one(self, planted: str) -> None:
        """Each kind of detail is found where it is planted."""
        assert wire_details(planted)

    @pytest.mark.parametrize(
        "innocent",
        [
            '@then("an owner token fails at /mcp")\ndef fails(): ...',
            'judge.that(met, "one or the other and/or both", observed)',
            'answers["first"[0:1]]',
            "details[0]",
            'checks.judge_same(judge, token, introspection, ["grant_id"])',
        ],
    )
    def test_the_gate_sees_no_other(self, innocent: str) -> None:
        """What is no detail of the wire is left in peace."""
        assert wire_details(innocent) == []


STATUS = re.compile(r"(?<![\w.§-])[1-5]\d\d(?![\w.-])")
STANDARDS_STATUS = {"200", "401", "403"}
IN_TEXT = (
    re.compile(r"\w+://|\bwww\.|\b[\w-]+\.(?:com|org|net|dev|io|example)\b"),
    re.compile(r"(?<![\w/.])/[a-z.][\w.-]*(?:/[\w.-]+)+|(?<![\w/.])/(?!mcp\b|v1\b)[a-z.][\w.-]*"),
    re.compile(r"\[\s*[\"']|\$\.|\b[a-z_]+\.[a-z_]+\.[a-z_]+\b|\(\)"),
)


def unreadable(text: str) -> list[str]:
    """What a reviewer of the specification should not have to read: URLs, paths into documents, bare status numbers."""
    found = [hit.group() for pattern in IN_TEXT for hit in pattern.finditer(text)]
    return found + [hit.group() for hit in STATUS.finditer(text) if hit.group() not in STANDARDS_STATUS]


def texts_of(feature: Feature) -> Iterator[str]:
    """The sentences of a feature's scenarios: names and steps with the values of every example."""
    for template in feature.scenarios.values():
        for context in [context for each in template.examples for context in each.as_contexts()] or [{}]:
            scenario = template.render(context)
            yield scenario.name
            yield from (step.name for step in scenario.steps)
            tables = [step.datatable for step in scenario.steps if step.datatable is not None]
            yield from (cell.value for table in tables for row in table.rows for cell in row.cells)


class TestReadability:
    @pytest.mark.parametrize("path", FEATURES, ids=lambda path: path.name)
    def test_scenarios_speak_of_people_and_things(self, path: Path) -> None:
        """No URL, no path into a document, no status number but those that the standards themselves speak in."""
        feature = get_feature(str(path.parent), path.name)
        assert {text: unreadable(text) for text in texts_of(feature) if unreadable(text)} == {}

    @pytest.mark.parametrize(
        "planted",
        [
            "the client posts to https://as.example/oauth/token",
            "the client posts to /oauth/token",
            "the client opens /device",
            "the answer's error.error.code is permission_error",
            'the answer["error"] is invalid_grant',
            "the member $.error is invalid_grant",
            "the answer is 400 with invalid_grant",
            "as.example.com answers",
        ],
    )
    def test_the_gate_sees_one(self, planted: str) -> None:
        """Each kind of detail is found where it is planted."""
        assert unreadable(planted)

    @pytest.mark.parametrize(
        "innocent",
        [
            "it is refused with invalid_grant",
            "it is challenged with 401 and pointed to the protected resource metadata",
            "an owner token fails at /mcp and works at /v1",
            "the code lives for 1800 seconds, as RFC 8628 §3.2 allows",
            "the client redeems the device code 8 times",
        ],
    )
    def test_the_gate_sees_no_other(self, innocent: str) -> None:
        """The standards' own words pass."""
        assert unreadable(innocent) == []

    @pytest.mark.parametrize("path", FEATURES, ids=lambda path: path.name)
    def test_each_feature_says_why(self, path: Path) -> None:
        """A feature has a narrative, or nobody knows what it is for."""
        assert len(get_feature(str(path.parent), path.name).description.split()) > 20


# -- the catalogue -----------------------------------------------------------------------------------------------------

ROW = {"id": "AAA-01", "level": "MUST", "role": "AS", "text": "It holds.", "source": "RFC 8628", "observed": "wire"}
TASK = {"id": "3.4", "title": "The six errors"}


class TestCatalogue:
    def read(self, folder: Path, **subjects: object) -> Catalogue:
        for subject, rows in {"tasks": [TASK], **subjects}.items():
            (folder / f"{subject}.yaml").write_text(yaml.safe_dump(rows))
        return read_catalogue(folder, SCHEMA)

    def test_the_real_one_reads(self) -> None:
        """Rows of every level, each under the name of its file."""
        rows = catalogue().requirements
        assert len(rows) > 250
        assert all((ROOT / "features" / "catalogue" / f"{row.subject}.yaml").is_file() for row in rows.values())
        assert all(row_id == row.id for row_id, row in rows.items())

    def test_a_small_one_reads(self, tmp_path: Path) -> None:
        """References between files hold whichever is read first."""
        other = {**ROW, "id": "BBB-01", "same_defect_as": ["AAA-01"], "tasks": ["3.4"], "applies_if": "refresh"}
        read = self.read(tmp_path, a_subject=[other], b_subject=[ROW])
        assert list(read.requirements) == ["BBB-01", "AAA-01"]
        assert read.requirements["BBB-01"].same_defect_as == ("AAA-01",)
        assert read.tasks["3.4"].title == "The six errors"

    def test_the_digest_tells_catalogues_apart(self, tmp_path: Path) -> None:
        """Equal digests mean equal requirements."""
        copied = tmp_path / "catalogue"
        shutil.copytree(ROOT / "features" / "catalogue", copied)
        assert read_catalogue(copied, SCHEMA).digest == catalogue().digest
        with (copied / "refresh.yaml").open("a") as file:
            file.write("# a remark\n")
        assert read_catalogue(copied, SCHEMA).digest != catalogue().digest

    @pytest.mark.parametrize(
        ("rows", "told"),
        [
            ([{**ROW, "level": "MAYBE"}], "'MAYBE' is not one of"),
            ([{**ROW, "role": "nobody"}], "'nobody' is not one of"),
            ([{**ROW, "id": "AAA-1"}], "'AAA-1' does not match"),
            ([{**ROW, "text": ""}], "''"),
            ([{key: value for key, value in ROW.items() if key != "source"}], "'source' is a required property"),
            ([{**ROW, "surprise": 1}], "'surprise' was unexpected"),
            ([ROW, ROW], "AAA-01 occurs twice"),
            ([{**ROW, "same_defect_as": ["ZZZ-99"]}], "AAA-01: same_defect_as names ZZZ-99, which is no row"),
            ([{**ROW, "same_defect_as": ["AAA-01"]}], "AAA-01 names itself in same_defect_as"),
            ([{**ROW, "tasks": ["1.9"]}], "AAA-01: tasks names 1.9, which is no task"),
            ([], "[]"),
            (None, "None is not of type 'array'"),
        ],
    )
    def test_wrong_ones_are_refused(self, tmp_path: Path, rows: object, told: str) -> None:
        """A catalogue that contradicts itself is refused with the row that does."""
        with pytest.raises(CatalogueError) as refusal:
            self.read(tmp_path, polling=rows)
        assert told in str(refusal.value)

    def test_a_row_in_two_files(self, tmp_path: Path) -> None:
        """An id is one row's in the whole catalogue."""
        with pytest.raises(CatalogueError, match=r"polling\.yaml: AAA-01 occurs twice"):
            self.read(tmp_path, errors=[ROW], polling=[ROW])

    def test_a_task_that_is_none(self, tmp_path: Path) -> None:
        """Tasks have the numbers that the change gives them."""
        with pytest.raises(CatalogueError, match=r"'9\.9' does not match"):
            self.read(tmp_path, tasks=[{**TASK, "id": "9.9"}])
