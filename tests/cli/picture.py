"""Make a picture (PBM) of a QR code, from the half blocks that the program prints or from the SVG in its page.
picture.py art|page FILE PICTURE"""

import re
import sys

SCALE = 8
LIGHT = {"\u2588": (1, 1), "\u2580": (1, 0), "\u2584": (0, 1), " ": (0, 0)}


def rows_of_art(text):
    rows = []
    for line in re.sub("\033\\[[0-9;]*m", "", text).splitlines():
        if line and set(line) <= set(LIGHT):
            rows += zip(*(LIGHT[letter] for letter in line))
    return [[1 - light for light in row] for row in rows]


def rows_of_page(text):
    side = int(re.search(r'viewBox="0 0 (\d+)', text)[1])
    rows = [[0] * side for _ in range(side)]
    for x, y in re.findall(r"M(\d+) (\d+)h1v1h-1z", text):
        rows[int(y)][int(x)] = 1
    return rows


def main():
    with open(sys.argv[2], encoding="utf-8") as file:
        rows = {"art": rows_of_art, "page": rows_of_page}[sys.argv[1]](file.read())
    with open(sys.argv[3], "w", encoding="ascii") as out:
        out.write("P1\n%d %d\n" % (len(rows[0]) * SCALE, len(rows) * SCALE))
        for row in rows:
            line = "".join(("%d " % dark) * SCALE for dark in row)
            out.write((line + "\n") * SCALE)


main()
