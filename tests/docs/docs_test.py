#!/usr/bin/env python3
"""Compares the documentation with the sources: configuration keys, metrics, reasons of errors, links, paths.

Tables are told by the heads of their columns: `key`, `metric`, `reason` and `violation` hold names in backticks.
"""
import re
import shutil
import subprocess
import unittest
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
OPERATIONS = "docs/operations.md"
PROTOCOL = "docs/protocol.md"
PROTO = "proto/mvmd/twin/v1alpha1/config.proto"

# The message of each file that a person writes, and the section of OPERATIONS that has its keys.
CONFIGURATIONS = {
    "BridgeConfig": "Bridge configuration",
    "GatewayConfig": "Gateway configuration",
    "TwinctlConfig": "twinctl",
    "AccessPolicy": "Who may do what",
}
METRIC_PREFIXES = {"bridge": "mvmd_bridge_", "gateway": "mvmd_gateway_"}
# Upper-case texts in the sources that are no reasons.
NOT_REASONS = {"ACCEPT_LOSS", "COMMIT", "CONFIG", "DEBUG", "DURABLE", "ENCRYPTED", "ERROR", "FILE", "INFO", "REASON_", "ROLLBACK", "SHA256", "SHA384", "WARN"}


def read(path):
    return (ROOT / path).read_text(encoding="utf-8")


def sources(folders, suffixes):
    """(path, text without comment lines) of each file."""
    for folder in folders:
        for path in sorted((ROOT / folder).glob("*")):
            if path.suffix in suffixes:
                yield path.relative_to(ROOT), re.sub(r"^\s*//.*$", "", read(path), flags=re.M)


def without_code_blocks(text):
    return re.sub(r"^```.*?^```", "", text, flags=re.M | re.S)


def section(text, title):
    found = re.search(rf"^## {re.escape(title)}\n(.*?)(?=^## |\Z)", text, flags=re.M | re.S)
    assert found, f"there is no section {title!r}"
    return found.group(1)


def column(text, head, beside=None):
    """Texts in backticks in the columns of this head, of all tables (that also have the head `beside`)."""
    names = []
    index = None
    for line in without_code_blocks(text).splitlines():
        if not line.startswith("|"):
            index = None
            continue
        cells = [cell.strip() for cell in line.strip("|").split("|")]
        if index is None:  # the table's first line
            is_wanted = head in cells and (beside is None or beside in cells)
            index = cells.index(head) if is_wanted else -1
        elif 0 <= index < len(cells):
            names += re.findall(r"`([^`]+)`", cells[index])
    return names


def messages():
    """{message: [(field, type, is repeated)]} of config.proto."""
    text = re.sub(r"//.*$", "", read(PROTO), flags=re.M)
    field = re.compile(r"(repeated |optional |)([\w.]+) (\w+) = \d+;")
    return {
        name: [(match[2], match[1], match[0] == "repeated ") for match in field.findall(body)]
        for name, body in re.findall(r"^message (\w+) \{\n(.*?)^\}", text, flags=re.M | re.S)
    }


def keys(types, message, path=""):
    """(leaves, keys of whole messages) below `path`."""
    leaves, branches = set(), set()
    for name, kind, is_repeated in types[message]:
        if kind not in types:
            leaves.add(path + name)
            continue
        branches.add(path + name)
        below = keys(types, kind, path + name + ("[]." if is_repeated else "."))
        leaves |= below[0]
        branches |= below[1]
    return leaves, branches


def registered_metrics():
    call = re.compile(r'(?:Add(?:Counter|Gauge|Histogram)(?:Callback)?|\bcounter|\bgauge)\(\s*"(\w+)"')
    names = {
        METRIC_PREFIXES[str(path.parent)] + name
        for path, text in sources(METRIC_PREFIXES, {".cc", ".h"})
        for name in call.findall(text)
    }
    for _, text in sources(["runtime"], {".cc"}):
        names |= set(re.findall(r'AddProcessMetric\([\w:]+,\s*"(\w+)"', text))
    return names


def reasons_in_sources():
    reasons = {}
    for path, text in sources(["bridge", "gateway", "runtime", "certs", "twin"], {".cc", ".h"}):
        for reason in re.findall(r'"([A-Z][A-Z0-9_]{3,})"', text):
            if reason not in NOT_REASONS:
                reasons.setdefault(reason, str(path))
    return reasons


def markdown_files():
    listed = None
    if shutil.which("git"):
        command = ["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard", "*.md"]
        listed = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    if listed is not None and listed.returncode == 0:
        paths = [ROOT / name for name in listed.stdout.split("\0") if name]
    else:  # a copy without its history
        paths = [path for path in ROOT.rglob("*.md") if not {"build", "node_modules"} & set(path.relative_to(ROOT).parts)]
    return sorted(path for path in paths if path.is_file())


def anchors(path):
    """Anchors of the headings, as GitHub makes them."""
    result = set()
    for heading in re.findall(r"^#+ +(.*?) *#*$", without_code_blocks(path.read_text(encoding="utf-8")), flags=re.M):
        text = re.sub(r"\[([^\]]*)\]\([^)]*\)", r"\1", heading)
        slug = re.sub(r"[^\w\- ]", "", text.lower()).replace(" ", "-")
        number = 0
        while (f"{slug}-{number}" if number else slug) in result:
            number += 1
        result.add(f"{slug}-{number}" if number else slug)
    return result


class DocsTest(unittest.TestCase):
    def expect_none(self, problems):
        if problems:
            self.fail("\n  " + "\n  ".join(sorted(problems)))

    def test_configuration_keys(self):
        types = messages()
        problems = []
        for message, title in CONFIGURATIONS.items():
            leaves, branches = keys(types, message)
            self.assertTrue(leaves, f"{PROTO}: found no fields of {message}")
            told = column(section(read(OPERATIONS), title), "key")
            place = f"{OPERATIONS}, section {title!r}"
            problems += [f"{place}: key `{key}` of {message} is missing" for key in leaves - set(told)]
            problems += [f"{place}: there is no key `{key}` in {message}" for key in set(told) - leaves - branches]
            problems += [f"{place}: key `{key}` is there twice" for key in set(told) if told.count(key) > 1]
        self.expect_none(problems)

    def test_metrics(self):
        registered = registered_metrics()
        for prefix in [*METRIC_PREFIXES.values(), "process_"]:
            self.assertTrue(any(name.startswith(prefix) for name in registered), f"found no metrics {prefix}*")
        for folder, prefix in METRIC_PREFIXES.items():
            used = any(f'"{prefix}"' in text for _, text in sources([folder], {".cc", ".h"}))
            self.assertTrue(used, f"{folder}/ does not use the prefix {prefix} any more")
        text = read(OPERATIONS)
        listed = {re.sub(r"\{.*\}", "", name) for name in column(text, "metric", beside="type")}
        named = set(re.findall(r"\b(?:mvmd_(?:bridge|gateway)|process)_\w+", text))
        self.expect_none(
            [f"{OPERATIONS}: metric `{name}` is missing in its tables" for name in registered - listed]
            + [f"{OPERATIONS}: no source registers a metric `{name}`" for name in (listed | named) - registered]
        )

    def test_reasons(self):
        used = reasons_in_sources()
        self.assertTrue(used, "found no reasons in the sources")
        listed = {name for doc in (PROTOCOL, OPERATIONS) for head in ("reason", "violation") for name in column(read(doc), head)}
        self.expect_none(
            [f"`{name}` ({used[name]}) is in no table of reasons of {PROTOCOL} or {OPERATIONS}" for name in set(used) - listed]
            + [f"{PROTOCOL}, {OPERATIONS}: no source has the reason `{name}`" for name in listed - set(used)]
        )

    def test_calls_of_roles(self):
        files = (ROOT / PROTO).parent.glob("*.proto")
        calls = {name for path in files for name in re.findall(r"^  rpc (\w+)\(", path.read_text(encoding="utf-8"), re.M)}
        self.assertTrue(calls, "found no calls in the .proto files")
        told = set(column(section(read(OPERATIONS), "Who may do what"), "may"))
        self.expect_none(
            [f"{OPERATIONS}: no role may call `{name}`" for name in calls - told]
            + [f"{OPERATIONS}: there is no call `{name}`" for name in told - calls]
        )

    def test_headings(self):
        problems = []
        for path in markdown_files():
            if path.name == "CHANGELOG.md":
                continue
            headings = re.findall(r"^#+ .*", without_code_blocks(path.read_text(encoding="utf-8")), flags=re.M)
            problems += [f"{path.relative_to(ROOT)}: {heading!r} is there twice" for heading in set(headings) if headings.count(heading) > 1]
        self.expect_none(problems)

    def test_links(self):
        problems = []
        files = markdown_files()
        self.assertTrue(files, "found no Markdown files")
        for path in files:
            text = re.sub(r"`[^`\n]*`", "", without_code_blocks(path.read_text(encoding="utf-8")))
            for link in re.findall(r"\]\(<?([^)\s>]+)", text):
                if re.match(r"[a-z][a-z0-9+.-]*:", link):
                    continue
                name, _, anchor = link.partition("#")
                target = (path.parent / name).resolve() if name else path
                place = f"{path.relative_to(ROOT)}: link {link}"
                if not target.exists():
                    problems.append(f"{place}: there is no such file")
                elif anchor and target.suffix == ".md" and anchor not in anchors(target):
                    problems.append(f"{place}: there is no such heading")
        self.expect_none(problems)

    def test_paths_in_architecture(self):
        name = "docs/architecture.md"
        texts = set(re.findall(r"`([^`\n]+)`", without_code_blocks(read(name))))
        paths = {text for text in texts if re.fullmatch(r"[\w*.-]+(/[\w*.-]*)+|[\w*-]+\.(cc|h|md|proto|py|sh)", text)}
        self.assertTrue(paths, f"found no paths in {name}")
        # A file without a folder may be in any.
        missing = [path for path in paths if not any(ROOT.glob(path if "/" in path else f"*/{path}"))]
        self.expect_none([f"{name}: there is no `{path}`" for path in missing])


if __name__ == "__main__":
    unittest.main()
