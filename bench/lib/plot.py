"""The ratios as bars on a logarithmic scale, in an SVG that a browser opens."""
import math

COLORS = {"nginx": "#2b6cb0", "ref": "#c05621", "rotel": "#6b46c1"}


def svg(ratios):
    """`ratios`: (row, peer, median, least, greatest), of naru's CPU to the peer's."""
    left, bar, gap, width = 260, 14, 4, 640
    low, high = 0.02, 20.0
    x = lambda r: left + (math.log10(min(max(r, low), high)) - math.log10(low)) / (math.log10(high) - math.log10(low)) * width  # noqa: E731
    height = 60 + len(ratios) * (bar + gap)
    out = [f'<svg xmlns="http://www.w3.org/2000/svg" width="{left + width + 90}" height="{height}" font-family="sans-serif" font-size="11">',
           '<rect width="100%" height="100%" fill="white"/>',
           '<text x="10" y="18" font-size="13">CPU a record, naru / peer (logarithmic; left of 1 naru is cheaper)</text>']
    for tick in (0.03, 0.1, 0.3, 1, 3, 10):
        out.append(f'<line x1="{x(tick):.1f}" y1="30" x2="{x(tick):.1f}" y2="{height - 10}" stroke="{"#333" if tick == 1 else "#ddd"}"/>'
                   f'<text x="{x(tick):.1f}" y="42" text-anchor="middle" fill="#555">{tick}</text>')
    for i, (row, peer, median, least, greatest) in enumerate(ratios):
        y = 50 + i * (bar + gap)
        a, b = sorted((x(1), x(median)))
        out.append(f'<text x="{left - 8}" y="{y + 11}" text-anchor="end">{row} / {peer}</text>'
                   f'<rect x="{a:.1f}" y="{y}" width="{max(b - a, 1):.1f}" height="{bar}" fill="{COLORS.get(peer, "#4a5568")}"/>'
                   f'<line x1="{x(least):.1f}" y1="{y + bar / 2}" x2="{x(greatest):.1f}" y2="{y + bar / 2}" stroke="#111"/>'
                   f'<text x="{left + width + 8}" y="{y + 11}">{median:.3f}</text>')
    return "\n".join(out + ["</svg>", ""])
