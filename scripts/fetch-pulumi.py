"""Fetches the official release of the Pulumi CLI into a folder: fetch-pulumi.py VERSION FOLDER.

Exits with 3, in one line, if it cannot be had: no network, no release for this system.
What comes must have the SHA-256 that Pulumi's list says. PIPELINETUI_PULUMI_RELEASES names
a mirror of https://get.pulumi.com/releases/sdk; proxies and certificates are Python's own
(HTTPS_PROXY, SSL_CERT_FILE).
"""
import hashlib
import io
import os
import platform
import sys
import tarfile
import urllib.request

version, folder = sys.argv[1:]
base = (os.environ.get("PIPELINETUI_PULUMI_RELEASES") or "https://get.pulumi.com/releases/sdk").rstrip("/")
system = {"Linux": "linux", "Darwin": "darwin"}.get(platform.system())
arch = {"x86_64": "x64", "amd64": "x64", "aarch64": "arm64", "arm64": "arm64"}.get(platform.machine().lower())
name = f"pulumi-v{version}-{system}-{arch}.tar.gz"


def get(path, seconds):
    with urllib.request.urlopen(f"{base}/{path}", timeout=seconds) as answer:
        return answer.read()


try:
    if not system or not arch:
        raise OSError(f"there is no release for {platform.system()} on {platform.machine()}")
    sums = dict(reversed(line.split()) for line in get(f"pulumi-{version}-checksums.txt", 5).decode().splitlines() if len(line.split()) == 2)
    if name not in sums:
        raise OSError(f"the list of checksums has no {name}")
    print(f"fetching {name}", flush=True)
    raw = get(name, 60)
    if hashlib.sha256(raw).hexdigest() != sums[name].lower():
        sys.exit(f"{base}/{name} does not have the SHA-256 that the list of checksums says")
    os.makedirs(folder, exist_ok=True)
    with tarfile.open(fileobj=io.BytesIO(raw)) as files:
        programs = [f for f in files if f.isfile() and os.path.basename(f.name) in ("pulumi", "pulumi-language-yaml")]
        for f in sorted(programs, key=lambda f: os.path.basename(f.name) == "pulumi"):  # pulumi last
            target = os.path.join(folder, os.path.basename(f.name))
            with open(target + ".part", "wb") as out:
                out.write(files.extractfile(f).read())
            os.chmod(target + ".part", 0o755)
            os.replace(target + ".part", target)
except (OSError, ValueError, tarfile.TarError) as error:
    print(f"the official release cannot be had: {error}")
    sys.exit(3)
