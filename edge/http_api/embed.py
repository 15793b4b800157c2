"""Makes the C++ file that holds the board: embed.py OUTPUT PAGE FILE.. -- SDK MODULE..

The files' version is a hash of all of them and takes the place of @version@ in the page."""
import hashlib
import pathlib
import sys

TYPES = {".html": "text/html; charset=utf-8", ".css": "text/css; charset=utf-8", ".js": "text/javascript; charset=utf-8"}
MARK = "tocsin"   # of raw string literals

output, page = pathlib.Path(sys.argv[1]), pathlib.Path(sys.argv[2])
cut = sys.argv.index("--")
files = {pathlib.Path(f).name: pathlib.Path(f) for f in sys.argv[3:cut]}
files.update({"sdk/" + pathlib.Path(f).name: pathlib.Path(f) for f in sys.argv[cut + 1:]})

texts = {path: file.read_text(encoding="utf-8") for path, file in sorted(files.items())}
page_text = page.read_text(encoding="utf-8")
version = hashlib.sha256(repr((page_text, texts)).encode()).hexdigest()[:12]
rows = [("", page.suffix, page_text.replace("@version@", version))]
rows += [(path, files[path].suffix, text) for path, text in texts.items()]

out = ['#include "edge/http_api/board.h"', "", "#include <array>", "", "namespace tocsin::edge {", "namespace {", "",
       f"constexpr std::array<BoardFile, {len(rows)}> kFiles{{{{"]
for path, suffix, text in rows:
    if f"){MARK}\"" in text:
        sys.exit(f"embed.py: {path} holds the end mark of raw strings")
    out.append(f'    {{"{path}", "{TYPES[suffix]}", R"{MARK}({text}){MARK}"}},')
out += ["}};", "", "}  // namespace", "",
        "std::span<const BoardFile> board_files() noexcept { return kFiles; }",
        f'std::string_view board_version() noexcept {{ return "{version}"; }}', "", "}  // namespace tocsin::edge", ""]
output.write_text("\n".join(out), encoding="utf-8")
