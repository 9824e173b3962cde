"""Draws what `crates/pad-learning/examples/simulated_users.rs` writes, with the standard library alone.

    python docs/profiles/plot.py "Title=users.json" ["Title=more.json" ...] > docs/profiles/learning.svg
"""

import json
import sys

WIDTH, HEIGHT, LEFT, TOP, GAP_X, GAP_Y = 250, 150, 52, 46, 40, 62
SELECTIONS = {"random": ("#7a7a7a", "random pairs"), "elicited": ("#0b6e99", "elicited, of 6 answers"), "elicited_of_all": ("#c0561b", "elicited, of all 12 or 16")}


class Panel:
    def __init__(self, column, row, low, high, most):
        self.x0, self.y0 = LEFT + column * (WIDTH + GAP_X), TOP + row * (HEIGHT + GAP_Y)
        self.low, self.high, self.most, self.parts = low, high, most, []

    def x(self, choices):
        return self.x0 + WIDTH * choices / self.most

    def y(self, value):
        return self.y0 + HEIGHT * (1 - (min(max(value, self.low), self.high) - self.low) / (self.high - self.low))

    def text(self, x, y, words, anchor="start", size=11, colour="#333"):
        self.parts.append(f'<text x="{x:.1f}" y="{y:.1f}" text-anchor="{anchor}" font-size="{size}" fill="{colour}">{words}</text>')

    def frame(self, title):
        self.text(self.x0, self.y0 - 8, title, size=12, colour="#111")
        steps = 5 if self.high - self.low > 0.6 else 4
        for step in range(steps + 1):
            value = self.low + (self.high - self.low) * step / steps
            y = self.y(value)
            self.parts.append(f'<path d="M{self.x0} {y:.1f}h{WIDTH}" stroke="#ddd"/>')
            self.text(self.x0 - 6, y + 4, f"{value:.2f}".rstrip("0").rstrip("."), "end")
        for choices in range(0, self.most + 1, 10):
            self.text(self.x(choices), self.y0 + HEIGHT + 15, str(choices), "middle")

    def line(self, rows, measure, colour):
        points = [(self.x(row["choices"]), row[measure]) for row in rows]
        upper = [f"{x:.1f},{self.y(figure['high']):.1f}" for x, figure in points]
        lower = [f"{x:.1f},{self.y(figure['low']):.1f}" for x, figure in reversed(points)]
        self.parts.append(f'<polygon points="{" ".join(upper + lower)}" fill="{colour}" opacity="0.18"/>')
        middle = " ".join(f"{x:.1f},{self.y(figure['value']):.1f}" for x, figure in points)
        self.parts.append(f'<polyline points="{middle}" fill="none" stroke="{colour}" stroke-width="1.8"/>')


def panel_row(title, rows, measure, row):
    parts = []
    for column, norm in enumerate(sorted({entry["norm"] for entry in rows})):
        ofs = [entry for entry in rows if entry["norm"] == norm]
        low, high = (0.0, 1.0) if measure == "cosine" else (0.5, 1.0)
        panel = Panel(column, row, low, high, 40)
        what = "cosine to the hidden weights" if measure == "cosine" else "held-out choices predicted"
        panel.frame(f"{title}, norm {norm:g}: {what}" if column == 0 else f"norm {norm:g}")
        if measure == "held_out":
            y = panel.y(ofs[-1]["ceiling"])
            panel.parts.append(f'<path d="M{panel.x0} {y:.1f}h{WIDTH}" stroke="#111" stroke-dasharray="4 3"/>')
        for selection, (colour, _) in SELECTIONS.items():
            panel.line([entry for entry in ofs if entry["selection"] == selection], measure, colour)
        parts += panel.parts
    return parts


def main():
    parts, row = [], 0
    for argument in sys.argv[1:]:
        title, path = argument.split("=", 1)
        rows = json.load(open(path))
        for users in dict.fromkeys(entry["users"] for entry in rows):
            ofs = [entry for entry in rows if entry["users"] == users]
            named = title if users == "weights" else f"{title}, users who go by {users}"
            for measure in ["cosine", "held_out"] if users == "weights" else ["held_out"]:
                parts += panel_row(named, ofs, measure, row)
                row += 1
    x = LEFT
    for colour, words in SELECTIONS.values():
        parts.append(f'<path d="M{x} 16h22" stroke="{colour}" stroke-width="3"/><text x="{x + 28}" y="20" font-size="12" fill="#333">{words}</text>')
        x += 190
    parts.append(f'<text x="{x}" y="20" font-size="12" fill="#333">dashed: what the hidden taste itself predicts; across: choices made</text>')
    width, height = LEFT + 3 * (WIDTH + GAP_X), TOP + row * (HEIGHT + GAP_Y)
    print(f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width} {height}" font-family="sans-serif">')
    print(f'<rect width="{width}" height="{height}" fill="#fff"/>')
    print("\n".join(parts))
    print("</svg>")


if __name__ == "__main__":
    main()
