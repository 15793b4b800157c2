"""The AWS balancer of ops/proxies/aws, as far as it can be judged without a provider: syntax by terraform itself, references, and what must
fit together with the edges' settings."""
import re
import shutil
import subprocess

import pytest

from support.programs import ROOT

FOLDER = ROOT / "ops/proxies/aws"
TEXT = "\n".join(re.sub(r"^\s*#.*$", "", f.read_text(), flags=re.M) for f in sorted(FOLDER.glob("*.tf")))


@pytest.mark.skipif(shutil.which("terraform") is None, reason="terraform is not installed")
def test_terraform_reads_it(tmp_path):
    def fmt(folder):
        return subprocess.run(["terraform", f"-chdir={folder}", "fmt", "-check", "-diff"], capture_output=True, text=True, timeout=60, check=False)
    done = fmt(FOLDER)
    assert done.returncode == 0, done.stdout + done.stderr
    broken = tmp_path / "main.tf"
    broken.write_text((FOLDER / "main.tf").read_text().replace('resource "aws_lb" "tocsin" {', 'resource "aws_lb" "tocsin" ', 1))
    assert fmt(tmp_path).returncode not in (0, 3), "what does not parse is told from what is only badly laid out"


def test_every_reference_is_to_something_that_is_there():
    resources = set(re.findall(r'^resource "(\w+)" "(\w+)"', TEXT, flags=re.M))
    used = set(re.findall(r"\b(aws_\w+)\.(\w+)\b", TEXT))
    assert used and used <= resources, used - resources
    declared = set(re.findall(r'^variable "(\w+)"', TEXT, flags=re.M))
    assert set(re.findall(r"\bvar\.(\w+)", TEXT)) == declared


def number(name, text=TEXT):
    return int(re.search(rf"\b{name}\s*=\s*(\d+)", text).group(1))


def test_it_fits_the_edges():
    """The names of the rows are those of the reference; what they are by default is in there too."""
    reference = (ROOT / "ops/reference/config.md").read_text()

    def default(row):
        return int(re.search(rf"^\| `{re.escape(row)}` .*?\| `(\d+)` \|", reference, flags=re.M).group(1))
    assert number("idle_timeout") * 1000 > 2 * default("session.keepalive_ms")
    assert number("deregistration_delay") * 1000 > default("drain.deadline_ms")
    assert number("interval") * number("unhealthy_threshold") * 1000 < 15_000
    assert '"/health/ready"' in TEXT and "enable_unhealthy_connection_termination = false" in TEXT
    allowed = re.search(r'values = \["/", (.*?)\]', TEXT).group(1)
    assert not re.search("metrics|admin|debug", allowed), "operators' paths are not let through"
    assert (FOLDER / "outputs.tf").read_text().count("output ") == 3
