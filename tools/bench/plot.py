"""Bar charts as SVG, without a library: one function."""
from xml.sax.saxutils import escape


def bars(path, title, values):
    """Writes `values` (name -> number) as horizontal bars to `path`."""
    width, row, left = 720, 28, 190
    top = max(list(values.values()) + [1])
    height = 48 + row * len(values)
    out = [f'<svg xmlns="http://www.w3.org/2000/svg" width="{width}" height="{height}" font-family="sans-serif" font-size="13">',
           f'<rect width="100%" height="100%" fill="white"/><text x="12" y="24" font-weight="bold">{escape(title)}</text>']
    for i, (name, value) in enumerate(values.items()):
        y = 40 + i * row
        length = (width - left - 110) * value / top
        colour = "#c0392b" if name.startswith("tocsin") else "#7f8c8d"
        out.append(f'<text x="{left - 8}" y="{y + 15}" text-anchor="end">{escape(name)}</text>'
                   f'<rect x="{left}" y="{y}" width="{length:.1f}" height="20" fill="{colour}"/>'
                   f'<text x="{left + length + 6:.1f}" y="{y + 15}">{value:,.0f}</text>')
    path.write_text("\n".join(out + ["</svg>\n"]))
