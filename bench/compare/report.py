"""Tables of Markdown: medians side by side with what is wanted, and how far the rounds lie apart."""

import statistics

import rows


def number(value):
    if value is None:
        return "–"
    if abs(value) >= 10000:
        return "%.1fk" % (value / 1000)
    if abs(value) >= 100:
        return "%.0f" % value
    return "%.1f" % value if abs(value) >= 10 else "%.2f" % value


def verdict(results, row, name):
    """"reached", "not reached", or what of it is not."""
    found = results.verdicts(row, name)
    if not found:
        return ""
    if results.median(row.name, name) is None:
        return "**not measured**"
    if all(met for _, met in found):
        return "reached"
    missed = [text for text, met in found if met is False]
    if missed:
        return "**not reached**" if len(missed) == len(found) else "**not %s**" % missed[0]
    return "nothing to compare with"


def measured(results):
    """The rows that anybody has a value of, or should have."""
    tried = {row for row, _ in results.values} | {row for row, _ in results.failures}
    return [row for row in rows.ROWS if row.name in tried]


def line(cells):
    return "| " + " | ".join(cells) + " |"


def cell(results, row, name):
    if results.median(row.name, name) is None and (row.name, name) in results.failures:
        return "failed"
    return number(results.median(row.name, name))


def side_by_side(results):
    names = list(results.contestants)
    nacres = [name for name in names if name.startswith("nacre-")]
    titles = [results.contestants[name].title for name in names]
    out = [line(["", *titles, "wanted", *("%s" % results.contestants[name].title for name in nacres)]),
           line(["---"] + ["---:"] * len(names) + ["---"] * (1 + len(nacres)))]
    for row in measured(results):
        cells = ["%s, %s" % (rows.title(row, results.options), row.unit)]
        cells += [cell(results, row, name) for name in names]
        cells.append(", ".join(rows.want_text(row, want) for want in row.wants))
        out.append(line(cells + [verdict(results, row, name) for name in nacres]))
    return out


def times_as_good(results):
    """Nacre against the floor and the best known peer."""
    nacres = [name for name in results.contestants if name.startswith("nacre-")]
    pairs = [(name, other) for name in nacres for other in ("floor", "gocryptfs") if other in results.contestants]
    out = [line([""] + ["%s to %s" % (results.contestants[a].title, b) for a, b in pairs]),
           line(["---"] + ["---:"] * len(pairs))]
    for row in measured(results):
        speeds = [results.speed(row, a, b) for a, b in pairs]
        out.append(line([rows.title(row, results.options)] + ["–" if s is None else "%.2f" % s for s in speeds]))
    return out


def spread(results):
    names = list(results.contestants)
    out = [line([""] + [results.contestants[name].title for name in names]), line(["---"] + ["---:"] * len(names))]
    for row in measured(results):
        cells = [rows.title(row, results.options)]
        for name in names:
            found = results.values.get((row.name, name))
            cells.append("%s .. %s" % (number(min(found)), number(max(found))) if found else "–")
        out.append(line(cells))
    return out


def withheld(results):
    shares = [share for found in results.withheld.values() for share in found] or [0]
    return ("Of the processor time that was wanted a hypervisor withheld, in the turns that count, %.1f %% in the middle and "
            "%.1f %% at most; because of it turns were taken again %d times." %
            (statistics.median(shares), max(shares), results.taken_again))


def markdown(results, about):
    machine = about["machine"]
    out = ["# Side by side", "",
           "%s, rounds in turn: %d, on %s (%s), %d cores, Linux %s, load before it %.1f. Cold: %s." %
           (about["when"], about["rounds"], about["folder"], about["filesystem"], machine["cores"], machine["kernel"],
            machine["load_before"], about["cold"]), ""]
    out += [withheld(results), ""]
    out += ["- %s: %s" % (c.title, c.version()) for c in results.contestants.values() if c.version()]
    out += ["- %s: missing, %s" % pair for pair in results.missing.items()]
    out += ["", "## Medians", "", *side_by_side(results), "", "## How many times as good (above 1 is better)", "",
            *times_as_good(results), "", "## Least and most of the rounds", "", *spread(results)]
    failed = sorted(results.failures.items())
    if failed:
        out += ["", "## What failed", ""] + ["- %s, %s: %s" % (name, row, why) for (row, name), why in failed]
    return "\n".join(out) + "\n"
