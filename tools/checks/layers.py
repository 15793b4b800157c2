"""Fails when a source file includes across a layer boundary, or outgrows the size limit."""
import pathlib, re, sys, tomllib

root = pathlib.Path(sys.argv[1]) if len(sys.argv) > 1 else pathlib.Path(__file__).resolve().parents[2]
rules = tomllib.loads((root / "tools/checks/layers.toml").read_text())
layers, external, limit = rules["layer"], rules["external"], rules["limits"]["max_lines"]
INCLUDE = re.compile(r'^\s*#\s*include\s*(?:"([^"]+)"|<([^>]+)>)', re.M)


def layer_of(path: str) -> str | None:
    return max((l for l in layers if path == l or path.startswith(l + "/")), key=len, default=None)


def allowed(mine: str, theirs: str) -> bool:
    return any(theirs in (a, a.removesuffix("/*")) or a.endswith("/*") and theirs.startswith(a[:-1])
               for a in [mine, *layers[mine]])


bad = []
tops = {l.split("/")[0] for l in layers}
for file in sorted(p for top in tops for p in (root / top).rglob("*") if p.suffix in {".h", ".cc", ".def"}):
    name, text = file.relative_to(root).as_posix(), file.read_text()
    mine, lines = layer_of(name), text.count("\n")
    if lines > limit:
        bad.append(f"{name}: {lines} lines, limit {limit}")
    for own, foreign in INCLUDE.findall(text):
        theirs = layer_of(own) if own else None
        if own and not (theirs and allowed(mine, theirs)):
            bad.append(f"{name}: {mine} may not include {own}")
        for prefix, users in external.items():
            if (foreign == prefix or foreign.startswith(prefix) and not prefix.isalpha()) and not any(name == u or name.startswith(u + "/") for u in users):
                bad.append(f"{name}: <{foreign}> is confined to {', '.join(users)}")
print("\n".join(bad) or "layers ok")
sys.exit(bool(bad))
