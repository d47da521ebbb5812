"""Writes the Homebrew formula and the Scoop manifest of a release: manifests.py VERSION URL DIST.

Both name the archives in DIST with their SHA-256; a system that was not built is left out.
"""
import hashlib
import json
import pathlib
import sys

version, url, dist = sys.argv[1], sys.argv[2], pathlib.Path(sys.argv[3])
about = "ML inference pipelines on AWS, one Pulumi stack per model and tenant"
home = "https://github.com/pipelinetui/pipelinetui"


def sha256(name):
    return hashlib.sha256((dist / name).read_bytes()).hexdigest()


def block(system, arch, cpu):
    name = f"pipelinetui_{system}_{arch}.tar.gz"
    if not (dist / name).exists():
        return ""
    return f'    on_{cpu} do\n      url "{url}/{name}"\n      sha256 "{sha256(name)}"\n    end\n'


systems = ""
for system, word in (("darwin", "macos"), ("linux", "linux")):
    inner = block(system, "amd64", "intel") + block(system, "arm64", "arm")
    if inner:
        systems += f"  on_{word} do\n{inner}  end\n\n"

(dist / "pipelinetui.rb").write_text(f'''class Pipelinetui < Formula
  desc "{about}"
  homepage "{home}"
  version "{version}"
  license "Apache-2.0"

{systems}  def install
    bin.install "pipelinetui"
    man1.install Dir["man/*.1"]
    bash_completion.install "completions/pipelinetui.bash" => "pipelinetui"
    zsh_completion.install "completions/_pipelinetui"
    fish_completion.install "completions/pipelinetui.fish"
  end

  test do
    assert_match version.to_s, shell_output("#{{bin}}/pipelinetui --version")
  end
end
''')

archive = "pipelinetui_windows_amd64.zip"
if (dist / archive).exists():
    (dist / "pipelinetui.json").write_text(json.dumps({
        "version": version,
        "description": about,
        "homepage": home,
        "license": "Apache-2.0",
        "architecture": {"64bit": {"url": f"{url}/{archive}", "hash": sha256(archive), "extract_dir": "pipelinetui_windows_amd64"}},
        "bin": "pipelinetui.exe",
        "checkver": "github",
    }, indent=4) + "\n")
