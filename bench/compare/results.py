"""Values of all rounds, by row and contestant, and what is made of them."""

import statistics

import rows


class Results:
    """What was measured. A value that is missing has a reason."""

    def __init__(self, options, contestants, missing):
        self.options, self.contestants, self.missing = options, contestants, missing
        self.values = {}
        self.failures = {}
        self.withheld = {}  # percent of the processor, of each turn that counts
        self.taken_again = 0

    def add(self, group, turn):
        name = turn.contestant.name
        self.withheld.setdefault((group, name), []).append(turn.withheld)
        self.taken_again += turn.tries - 1
        for row, value in turn.values.items():
            self.values.setdefault((row, name), []).append(value)
        for row, why in turn.failures.items():
            self.failures[row, name] = why

    def peak_of_groups(self, peaks):
        """Memory is one value a round: the most of any group."""
        for name, most in peaks.items():
            self.values.setdefault(("memory-peak", name), []).append(most)

    def withheld_as_json(self):
        """By group and contestant, and how many turns were taken again."""
        out = {"taken_again": self.taken_again, "percent": {}}
        for (group, name), shares in self.withheld.items():
            out["percent"].setdefault(group, {})[name] = [round(share, 2) for share in shares]
        return out

    def median(self, row, name):
        found = self.values.get((row, name))
        return statistics.median(found) if found else None

    def medians(self, row):
        found = {name: self.median(row, name) for name in self.contestants}
        return {name: value for name, value in found.items() if value is not None}

    def speed(self, row, name, reference):
        """How many times as good as another contestant: above 1 is better, also where less is."""
        own, other = self.median(row.name, name), self.median(row.name, reference)
        if own is None or other is None or own <= 0 or other <= 0:
            return None
        return own / other if row.more_is_better else other / own

    def verdicts(self, row, name):
        """Of what is wanted of Nacre: each want's text, and whether it is reached."""
        own, all_medians = self.median(row.name, name), self.medians(row.name)
        return [(rows.want_text(row, want), None if own is None else rows.reached(row, want, own, all_medians))
                for want in row.wants]

    def as_json(self):
        out = []
        for row in rows.ROWS:
            values = {}
            for name in self.contestants:
                found = self.values.get((row.name, name))
                if found:
                    values[name] = {"median": round(statistics.median(found), 3), "least": round(min(found), 3),
                                    "most": round(max(found), 3), "rounds": [round(value, 3) for value in found]}
                elif (row.name, name) in self.failures:
                    values[name] = {"failed": self.failures[row.name, name]}
            out.append({"row": row.name, "title": rows.title(row, self.options), "unit": row.unit,
                        "more_is_better": row.more_is_better, "values": values, "ratios": self._ratios(row),
                        "wanted": {name: [{"want": text, "reached": met} for text, met in self.verdicts(row, name)]
                                   for name in self.contestants if name.startswith("nacre-")}})
        return out

    def _ratios(self, row):
        """Median over median, by contestant."""
        medians = self.medians(row.name)
        return {name: {other: round(value / medians[other], 3)
                       for other in ("floor", "gocryptfs") if medians.get(other)} for name, value in medians.items()}
