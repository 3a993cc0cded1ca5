"""Writes src/site/markdown/dependencies.md from the bill of materials, or with --check says whether it is as it should be.

    mvn -B -ntp package
    mvn -B -ntp org.cyclonedx:cyclonedx-maven-plugin:2.9.3:makeBom
    python3 src/test/python/licenses.py

Needs nothing but Python. Ends with 1 if a library that goes with the job has no license of LICENSES.
"""

import json
import pathlib
import sys

ROOT = pathlib.Path(__file__).parents[3]
PAGE = ROOT / "src/site/markdown/dependencies.md"

# One of these is enough where there is a choice.
LICENSES = ("Apache-2.0", "MIT", "BSD-2-Clause", "BSD-3-Clause", "EPL-1.0", "EPL-2.0")

# Its description says "BSD" without a number, which CycloneDX takes for the one with four clauses; its LICENSE.txt has three.
CORRECTED = {"com.twelvemonkeys.": ["BSD-3-Clause"]}


def licenses(component):
    for group, known in CORRECTED.items():
        if component.get("group", "").startswith(group):
            return known
    names = []
    for choice in component.get("licenses", []):
        names.append(choice.get("expression") or choice["license"].get("id") or choice["license"].get("name"))
    return names


def page(components, of_job):
    """Returns the page; components by group, name and version, of_job the names of the jars that a job brings."""
    job, spark = {}, {}
    for component in components:
        jar = f"{component['name']}-{component['version']}"
        place = job if any(name == jar or name.startswith(jar + "-") for name in of_job) else spark
        place[component.get("group", ""), component["name"], component["version"]] = licenses(component)
    lines = [
        "# Dependencies and their licenses",
        "",
        "Made by `src/test/python/licenses.py` from the bill of materials, `target/bom.json` (CycloneDX 1.6, also `.xml`), which `mvn -B -ntp org.cyclonedx:cyclonedx-maven-plugin:2.9.3:makeBom`",
        "makes once the project is built; `.ci/run` makes both anew and compares. What the libraries' own descriptions say of their licenses; where there are several, mostly one may choose.",
        "",
        "## With the job",
        "",
        "In the job jar, or given to Spark by `jobs/submit.sh`. Beside them the report holds Apache ECharts (Apache-2.0).",
        "",
        "| library | version | license |",
        "|---|---|---|",
    ]
    for (group, name, version), known in sorted(job.items()):
        lines.append(f"| `{group}:{name}` | {version} | {', '.join(known)} |")
    kinds = {}
    for key, known in spark.items():
        kinds.setdefault(", ".join(known) or "not told", []).append(key[1])
    lines += [
        "",
        "Old ones that ND4J, DL4J and their kin ask for are raised in `pom.xml`: commons-io, commons-compress, commons-net, commons-lang3, commons-codec, gson.",
        "Not raised: oshi-core with JNA, fastutil and threetenbp, since ND4J and DL4J are compiled against those versions; and protobuf, guava and Jackson",
        "that ND4J has shaded into jars of its own, which Maven cannot reach. The program reads no foreign data with these. No list of known holes was at hand to compare with.",
        "",
        "## Of Spark",
        "",
        "Not shipped: the cluster's distribution has them, in its own versions, which are its operator's to renew; without a `SPARK_HOME` those of Maven serve.",
        "",
        "| license | libraries |",
        "|---|---|",
    ]
    for kind, names in sorted(kinds.items(), key=lambda each: (-len(each[1]), each[0])):
        lines.append(f"| {kind} | {', '.join(sorted(set(names)))} |")
    refused = [f"{key[1]}: {known}" for key, known in job.items() if not set(known) & set(LICENSES)]
    return "\n".join(lines) + "\n", refused


def main():
    bom = json.loads((ROOT / "target/bom.json").read_text())
    jars = (ROOT / "target/job.classpath").read_text().strip().split(":")
    text, refused = page(bom["components"], [pathlib.Path(jar).stem for jar in jars])
    if refused:
        sys.exit(f"licenses.py: look at the licenses of these: {refused}")
    if "--check" not in sys.argv:
        PAGE.write_text(text)
    elif PAGE.read_text() != text:
        sys.exit(f"licenses.py: {PAGE.relative_to(ROOT)} is not what the bill of materials says; make it again, see licenses.py")


if __name__ == "__main__":
    main()
