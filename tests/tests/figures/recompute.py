"""Recomputes every figure of a report from its run's files with DuckDB, and holds the page and findings.json against it.

    recompute.py RUN [BLOCK…]

Prints each block of the page that was held, with the number of its figures; fails for a block that nobody recomputes, for a figure that is
another, and for a BLOCK that is not there. What is shown with three digits has to be right to half of the last one.
"""

import bisect, json, math, re, shlex, statistics, sys
from datetime import datetime, timezone
from html.parser import HTMLParser

import duckdb

RUN = sys.argv[1]
FOUND = json.load(open(f"{RUN}/findings.json"))
INFO = json.load(open(f"{RUN}/run.json"))
ASKED = INFO["asked"]
LEVELS = {"p50": 0.5, "p90": 0.9, "p95": 0.95, "p99": 0.99, "p99.9": 0.999}
# The least samples with an interval of 95 %: two order statistics enclose the quantile (David & Nagaraja 2003, §7.1).
SAMPLES_MIN = {0.5: 6, 0.9: 36, 0.95: 72, 0.99: 368, 0.999: 3688}
S = 1e9

duckdb.sql(f"""
    create table everything as
        select *, done_ns - due_ns response, done_ns - sent_ns service, sent_ns - blocked_ns - queued_ns own_ns,
               row_number() over (order by filename, file_row_number) place,
               sent_ns is not null and done_ns is not null and (error is null or error = 'answer') answered,
               case when error is not null then error when status is not null then 'status ' || status else 'no answer' end failure
        from read_parquet('{RUN}/outcomes-*.parquet', filename = true, file_row_number = true);
    create view o as from everything where phase <> 'warmup'""")


def rows(query):
    return duckdb.sql(query).fetchall()


def row(query):
    return rows(query)[0]


# ---- figures as they are shown ----

UNITS = {"ns": 1, "µs": 1e3, "ms": 1e6, "s": 1e9, "B": 1, "kB": 1e3, "MB": 1e6, "GB": 1e9, "TB": 1e12, "%": 0.01}
NUMBER = re.compile(r"^(−?)([\d,]+)(\.\d+)?(?: (.+))?$")


def read(text, trimmed=False):
    """The value that a cell shows and how far it may be off; None where it shows none. Durations are ns."""
    if text in ("–", "insufficient", ""):
        return None
    if clock := re.fullmatch(r"(?:(\d+):)?(\d+):(\d\d)", text):
        hours, minutes, seconds = (int(part or 0) for part in clock.groups())
        return ((hours * 60 + minutes) * 60 + seconds) * S, 0.5 * S
    if long := re.fullmatch(r"([\d,]+) min (\d\d) s", text):
        return (int(long[1]) * 60 + int(long[2])) * S, 0.5 * S
    if long := re.fullmatch(r"([\d,]+) h (\d\d) min", text):
        # Begun minutes do not count.
        return (int(long[1].replace(",", "")) * 60 + int(long[2]) + 0.5) * 60 * S, 30.5 * S
    if text.startswith("< "):
        least, _ = read(text[2:])
        return least / 2, least / 2
    assert NUMBER.match(text), f"no figure: {text!r}"
    sign, whole, rest, unit = NUMBER.match(text).groups()
    scale = UNITS.get((unit or "").removesuffix("/s"), 1)
    value = float(whole.replace(",", "") + (rest or ""))
    digits = len(rest or ".") - 1
    if trimmed and 0 < value < 100:
        digits = max(digits, 2 - math.floor(math.log10(value)))
    return (-value if sign else value) * scale, 0.5 * 10.0**-digits * scale


def check(text, wanted, trimmed=False):
    """Whether a cell shows what is wanted: a text, a count, or a figure; a pair is text and small print."""
    if isinstance(wanted, tuple) and isinstance(text, tuple):
        return all(check(*pair) for pair in zip(text, wanted))
    if isinstance(text, tuple):
        return check(text[0], wanted)
    if isinstance(wanted, Words):
        found = re.fullmatch(wanted.pattern, text)
        return bool(found) and all(check(*pair) for pair in zip(found.groups(), wanted.figures, strict=True))
    if isinstance(wanted, str):
        return text == wanted
    if isinstance(wanted, int) and not isinstance(wanted, bool):
        return text.replace(",", "") == str(wanted)
    if isinstance(wanted, list):  # both ends of an interval
        low, _, high = text.partition("–")
        unit = high.strip().split(" ", 1)[-1]
        low = low.strip() if " " in low.strip() else f"{low.strip()} {unit}"
        return check(low, wanted[0]) and check(high.strip(), wanted[1])
    shown = read(text, trimmed)
    if shown is None or wanted is None:
        return shown is None and wanted is None
    return abs(shown[0] - wanted) <= shown[1] * 1.001 + getattr(wanted, "off", 1e-9) * abs(wanted) + 1e-12


class Words:
    """A text with figures in it: a pattern whose groups show these."""

    def __init__(self, pattern, *figures):
        self.pattern, self.figures = pattern, figures


class Near(float):
    """A figure that ours may be off by a share of it."""

    def __new__(cls, value, off):
        made = super().__new__(cls, value)
        made.off = off
        return made


def holds(cell, figure):
    return check(cell, figure) or not isinstance(figure, tuple) and check(cell[0], figure, True)


def spoilt(cell):
    """The same with another first digit; None where there is none."""
    text = re.sub(r"\d", lambda digit: str((int(digit[0]) + 4) % 10), cell[0].removeprefix("< "), count=1)
    return (text, cell[1]) if text != cell[0] else None


class Page(HTMLParser):
    """Every table and list of figures of a page: name, headings, and rows of (text, small print)."""

    def __init__(self, text):
        super().__init__()
        self.blocks, self.section, self.figure, self.cell, self.text, self.caption = [], None, None, None, None, ""
        self.feed(text)

    def begin(self, name):
        self.blocks.append((name, [], []))

    def handle_starttag(self, tag, attributes):
        attributes = dict(attributes)
        if tag == "section":
            self.section = attributes.get("id", "card")
        elif tag == "figure":
            self.figure = attributes["id"].removeprefix("chart-")
        elif tag in ("p", "summary", "dt", "dd"):
            self.text = ""
        elif tag == "table":
            self.begin(f"{self.section}: {self.figure or self.caption}")
        elif tag == "dl":
            self.begin(f"{self.section}: facts")
        elif tag == "ul" and attributes.get("class") == "figures":
            self.begin("figures")
        elif tag == "span" and attributes.get("class", "").split(" ")[0] in ("name", "value", "note"):
            self.text = ""
        elif tag == "li":
            self.row = []
        elif tag == "tr":
            self.row = []
        elif tag in ("td", "th"):
            self.cell, self.small = ["", ""], 0
        elif tag == "small" and self.cell:
            self.small = 1
        elif tag == "code":
            self.text = ""

    def handle_endtag(self, tag):
        if tag == "figure":
            self.figure = None
        elif tag == "code":
            self.begin(f"{self.section}: command")
            self.blocks[-1][2].append([(self.text, "")])
        elif tag in ("p", "summary"):
            self.caption, self.text = self.text, None
        elif tag == "span" and self.text is not None:
            self.row.append((self.text.strip(), ""))
            self.text = None
        elif tag == "li" and self.blocks and self.blocks[-1][0] == "figures" and len(self.row) == 3:
            self.blocks[-1][2].append(self.row)
        elif tag == "dt":
            self.term = self.text
        elif tag == "dd":
            self.blocks[-1][2].append([(self.term, ""), (self.text, "")])
        elif tag in ("td", "th"):
            self.row.append(tuple(self.cell))
            self.cell = None
        elif tag == "tr" and not self.blocks[-1][1]:
            self.blocks[-1][1].extend(text for text, _ in self.row)
        elif tag == "tr":
            self.blocks[-1][2].append(self.row)

    def handle_data(self, data):
        if self.cell is not None:
            self.cell[self.small] += data
        elif self.text is not None:
            self.text += data


# ---- distributions ----


def ranks(n, p):
    """Ranks of the interval: the largest l with P(B < l) ≤ 2.5 % and the smallest u with P(B ≥ u) ≤ 2.5 %, B binomial."""
    log = lambda k: math.lgamma(n + 1) - math.lgamma(k + 1) - math.lgamma(n - k + 1) + k * math.log(p) + (n - k) * math.log1p(-p)
    weights = [math.exp(log(k)) for k in range(n + 1)]
    def tail(weights):
        total = 0.0
        for k, weight in enumerate(weights):
            total += weight
            if total > 0.025:
                return k
    low, high = tail(weights), tail(reversed(weights))
    return (low, n - high + 1) if low > 0 and high > 0 else None


def dependence(observed, threshold):
    """How much less the values tell of the share above a threshold since they depend on their neighbours: the design effect, the number of
    stretches that know little of one another, and the excess kurtosis of counts in coarse batches."""
    n = len(observed)
    size = max(n // 500, 1)
    above = [sum(one > threshold for one in observed[batch * size : (batch + 1) * size]) for batch in range(n // size)]
    mean = sum(above) / len(above)
    off = [count - mean for count in above]

    def autocovariance(lag):
        return sum(a * b for a, b in zip(off, off[lag:])) / len(off)

    total, least, lag = 0.0, math.inf, 0
    while lag + 1 < len(above) // 2:
        pair = autocovariance(lag) + autocovariance(lag + 1)
        if pair <= 0:
            break
        least = min(least, pair)
        total, lag = total + least, lag + 2
    stretches, share = len(above) / (2 * max(lag, 2) - 1), mean / size
    alone = size * share * (1 - share)
    effect = max((2 * total - autocovariance(0)) / alone, 1.0) if alone > 0 else 1.0
    coarse = len(above) // 20
    sums = [sum(above[batch * coarse : (batch + 1) * coarse]) for batch in range(20)] if coarse else [0]
    middle = sum(sums) / len(sums)
    second, fourth = (sum((one - middle) ** power for one in sums) / len(sums) for power in (2, 4))
    return effect, stretches, max(fourth / second**2 - 3, 0.0) if second > 0 else 0.0


def widening(stretches, kurtosis):
    """(t/z)² by the expansion of Student's t around the normal quantile."""
    z, degrees = 1.959963984540054, max(2 / (2 / stretches + kurtosis / 20), 2.0)
    first, second = (z**3 + z) / 4, (5 * z**5 + 16 * z**3 + 3 * z) / 96
    third = (3 * z**7 + 19 * z**5 + 17 * z**3 - 15 * z) / 384
    return ((z + first / degrees + second / degrees**2 + third / degrees**3) / z) ** 2


def intervals(observed, ordered):
    """By level, that of the smaller sample that would say as much if its values did not depend on their neighbours."""
    n = len(observed)
    told = [p for p in LEVELS.values() if n >= SAMPLES_MIN[p]]
    known = {p: dependence(observed, ordered[math.ceil(p * n - 1e-9) - 1]) for p in told}
    found = {}
    for p in told:
        effect, stretches, kurtosis = known[p]
        others = [known[other] for other in (0.5, 0.9) if other in known and min(other, 1 - other) > min(p, 1 - p)]
        largest = max([effect, *(other[0] for other in others)])
        stretches = min([stretches, *(other[1] for other in others)])
        bursts = n * min(p, 1 - p) / largest
        trust = bursts / (bursts + 10)
        effect = effect**trust * largest ** (1 - trust)
        effective = int(n / (effect * widening(stretches, kurtosis) * (1 + 2 / bursts))) if stretches >= 10 else 0
        ends = ranks(effective, p) if effective else None
        found[p] = ends and [ordered[min(max(-(-rank * n // effective), 1), n) - 1] for rank in ends]
    return found


def distribution(value, where, table="o"):
    """What is said of a duration: its count, extremes and quantiles by DuckDB, and their intervals."""
    levels = ", ".join(f"quantile_disc({value}, {p})" for p in LEVELS.values())
    count, mean, least, most, observed, *quantiles = row(f"""
        select count({value}), sum({value})::double / count({value}), min({value}), max({value}),
               list({value} order by place) filter ({value} is not null), {levels} from {table} where {where}""")
    found = {"count": count, "mean_ns": mean, "min_ns": least, "max_ns": most}
    ends = intervals(observed or [], sorted(observed or []))
    for (name, p), quantile in zip(LEVELS.items(), quantiles):
        low, high = ends.get(p) or (None, None)
        found[name] = {"value_ns": quantile if p in ends else None, "low_ns": low, "high_ns": high}
    return found


def cells(found):
    """The same as cells of a table."""
    if not found["count"]:
        return [None] * 8
    levels = [(found[name]["value_ns"], "" if found[name]["low_ns"] is None else [float(found[name]["low_ns"]), float(found[name]["high_ns"])]) for name in LEVELS]
    levels = [None if level[0] is None else (float(level[0]), level[1]) for level in levels]
    return [found["mean_ns"], float(found["min_ns"]), *levels, float(found["max_ns"])]


def times(where):
    return {name: distribution(name, f"answered and {where}") for name in ("response", "service")}


def quoted(text):
    return "'" + text.replace("'", "''") + "'"


def is_(**names):
    return " and ".join(f"{column} = {quoted(name)}" for column, name in names.items())


def failed(requests, good):
    return (requests - good, (requests - good) / requests if requests > good else "")


def groups(*by, where="true"):
    """Names, requests and good answers, the most frequent first."""
    names = ", ".join(f"coalesce({column}, '')" for column in by)
    return [(found[: len(by)], *found[len(by) :]) for found in rows(
        f"select {names}, count(*), count(*) filter (ok) from o where {where} group by all order by count(*) desc, {names}")]


# ---- what the run spans ----

FIRST, LAST, LAST_SENT, LAST_DONE = row("select min(due_ns), max(due_ns), max(sent_ns), max(done_ns) from everything")
END = max(one for one in (LAST, LAST_SENT, LAST_DONE) if one is not None)
REQUESTS, SENT, ANSWERED, GOOD, SHED = row("select count(*), count(sent_ns), count(*) filter (answered), count(*) filter (ok), count(*) filter (starts_with(error, 'shed')) from o")
DUE_FROM, DUE_TO, SENT_FROM, SENT_TO, DONE_TO = row("select min(due_ns), max(due_ns), min(sent_ns), max(sent_ns), max(done_ns) from o")
LASTED = (DONE_TO - DUE_FROM) / S


def per_s(events, begin, end):
    return (events - 1) * S / (end - begin) if events > 1 and end > begin else None


ITEMS, SENT_BYTES, GOT_BYTES = row("select sum(items) filter (ok), sum(request_bytes) filter (sent_ns is not null), sum(response_bytes) from o")
PHASES = ASKED.get("phases") or []
PHASES = [(phase["name"], phase["from_ns"]) for phase in PHASES if phase["name"] != "warmup"]
PHASES = [(name, begin, max(begin, min(end, DUE_TO))) for (name, begin), end in zip(PHASES, [p[1] for p in PHASES[1:]] + [DUE_TO])]


def asked_until(at):
    """Requests that the profile asked for until then: linear between what run.json knows."""
    known = ASKED["asked_rate"]
    place = min(max(sum(one <= at for one in known["at_ns"]), 1), len(known["at_ns"]) - 1)
    (a, b), (x, y) = known["at_ns"][place - 1 : place + 1], known["requests"][place - 1 : place + 1]
    return x + (y - x) * (at - a) / max(b - a, 1)


def asked_per_s(begin, end):
    return (asked_until(end) - asked_until(begin)) / ((end - begin) / S) if ASKED.get("asked_rate") and end > begin else None


# ---- blocks of the page: each makes the rows that it should have ----


def bins(block, end, trimmed=True):
    """Begin and end of each bin, whose width is twice the middle of the first."""
    width = round(2 * read(block[0][0][0])[0])
    return [(FIRST + place * width, min(FIRST + (place + 1) * width, end)) for place in range(len(block))], width


def binned(value, where, instant, edges, width, table="everything"):
    """A figure by bin; what lies outside belongs to the first or last."""
    last = len(edges) - 1
    found = dict(rows(f"select least(greatest(({instant} - {FIRST})::bigint // {width}, 0), {last}) bin, {value} from {table} where {where} group by bin"))
    return [found.get(place) for place in range(last + 1)]


def percentiles(shown):
    n = ANSWERED
    nines = [place / 20 for place in range(int(math.log10(n) * 20) + 1)] + [math.log10(n)]
    ordered = {name: [one for one, in rows(f"select {name} from o where answered order by 1")] for name in ("response", "service")}
    at = lambda name, nine: float(max(ordered[name][min(max(math.ceil((1 - 10**-nine) * n * (1 - 1e-12)), 1), n) - 1], 1))
    return [[cell[0][0], at("response", nine), at("service", nine)] for cell, nine in zip(shown, nines, strict=True)]


def latency_over_time(shown):
    edges, width = bins(shown, LAST)
    counts = binned("count(*)", "answered", "due_ns", edges, width)
    at = lambda p: binned(f"quantile_disc(response, {p})", "answered", "due_ns", edges, width)
    figure = lambda value, enough: None if value is None or not enough else float(max(value, 1))
    return [[cell[0][0], figure(p99, (count or 0) >= 100), figure(p50, True)] for cell, count, p50, p99 in zip(shown, counts, at(0.5), at(0.99))]


def heat(shown):
    width = round(read(shown[1][0][0])[0])
    last = len(shown) - 1
    klass = "floor(log10(greatest(response, 1)) * 8 + 1e-9)::int"
    counts = {(bin, k): count for bin, k, count in rows(f"select least((due_ns - {FIRST}) // {width}, {last}), {klass}, count(*) from everything where answered group by all")}
    classes = range(min(k for _, k in counts), max(k for _, k in counts) + 1)
    assert sum(counts.values()) == row("select count(*) from everything where answered")[0]
    return [[cell[0][0], *(counts.get((bin, k), 0) for k in classes)] for bin, cell in enumerate(shown)]


def throughput(shown):
    edges, width = bins(shown, END)
    covered = [(end - begin) / S for begin, end in edges]
    rate = lambda where, instant: [None if seconds < width / S / 2 else (count or 0) / seconds for count, seconds in zip(binned("count(*)", where, instant, edges, width), covered)]
    ended = "coalesce(done_ns, due_ns)"
    lines = [rate("true", "due_ns"), rate("sent_ns is not null", "sent_ns"), rate("ok", ended), rate("not ok", ended)]
    if row("select count(*) from everything where starts_with(error, 'shed')")[0]:
        lines.append(rate("starts_with(error, 'shed')", "due_ns"))
    if ASKED.get("asked_rate"):
        until = lambda at: min(at, LAST)
        asked = [None if until(begin) >= until(begin + width) or seconds < width / S / 2 else asked_per_s(until(begin), until(begin + width)) for (begin, _), seconds in zip(edges, covered)]
        lines.append(asked)
    return [[cell[0][0], *figures] for cell, figures in zip(shown, zip(*lines))]


def in_flight(shown):
    edges, width = bins(shown, END)
    def mean(begin, end):
        overlap = f"greatest(0, least(coalesce(done_ns, {END}), {end}) - greatest(sent_ns, {begin}))"
        return float(row(f"select coalesce(sum({overlap}), 0) from everything where sent_ns is not null")[0]) / (end - begin) if end > begin else None
    return [[cell[0][0], mean(begin, end)] for cell, (begin, end) in zip(shown, edges)]


def recall_against_rate(_):
    edges, width = bins(PAGE["throughput: throughput-over-time"], END)
    sent = binned("count(*)", "sent_ns is not null", "sent_ns", edges, width)
    recalls = binned("(avg(recall::double), count(recall))", "recall is not null", "due_ns", edges, width, "o")
    found = [((count or 0) * S / (end - begin), pair[0]) for (begin, end), count, pair in zip(edges, sent, recalls) if end - begin >= width / 2 and pair and pair[1] >= 20]
    return [list(pair) for pair in sorted(found, key=lambda pair: pair[0])]


def gaps(shown):
    low, high = (math.log10(read(shown[place][0][0])[0]) for place in (0, -1))
    at = [10 ** (low + (high - low) * place / (len(shown) - 1)) for place in range(len(shown))]
    def shares(instant):
        all_gaps = [gap for gap, in rows(f"select {instant} - lag({instant}) over (order by {instant}) from o where sent_ns is not null")if gap is not None]
        return [sum(gap <= point for gap in all_gaps) / len(all_gaps) for point in at]
    return [list(figures) for figures in zip(at, shares("due_ns"), shares("own_ns"))]


def by_phase(_):
    made = []
    for name, begin, end in PHASES:
        requests, good = row(f"select count(*), count(*) filter (ok) from o where {is_(phase=name)}")
        offered = requests * S / (end - begin) if end > begin else None
        made.append([name, requests, failed(requests, good), asked_per_s(begin, end), offered, *cells(times(is_(phase=name))["response"])])
    return made


def grouped(time, *by, where="true"):
    def make(_):
        made = []
        for names, requests, good in groups(*by, where=where):
            found = distribution(time, f"answered and {where} and " + is_(**dict(zip(by, names))))
            head = [(names[0], names[1])] if len(by) == 2 else list(names)
            made.append([*head, requests, failed(requests, good), *cells(found)])
        return made
    return make


def connects(_):
    made = [(name, distribution("connect_ns", f"connect_ns is not null and {is_(target=name)}")) for (name,), *_ in groups("target")]
    return [[name, found["count"], *cells(found)] for name, found in made if found["count"]]


def throughput_facts(shown):
    amounts = [GOOD, ITEMS, SENT_BYTES, GOT_BYTES]
    figures = [per_s(REQUESTS, DUE_FROM, DUE_TO), per_s(SENT, SENT_FROM, SENT_TO), *(float(amount or 0) / LASTED for amount in amounts)]
    made = [[cell[0][0], figure] for cell, figure in zip(shown, figures)]
    if len(shown) > 6:
        found = variability()
        text = "{min_per_s:,} to {max_per_s:,} in {seconds} seconds".format(**found)
        assert shown[6][1][0].startswith(text), (shown[6], found)
        cv, dispersion = re.search(r"CV ([^,]+), index of dispersion (.+)$", shown[6][1][0]).groups()
        assert check(cv, found["cv"]) and check(dispersion, found["dispersion"]), (shown[6], found)
        made.append([shown[6][0][0], shown[6][1][0]])
    return made


def variability():
    seconds = (DUE_TO - DUE_FROM) // 10**9
    if seconds < 10:
        return None
    counts = dict(rows(f"select (done_ns - {DUE_FROM}) // 1000000000, count(*) from o where ok group by 1"))
    counts = [counts.get(second, 0) for second in range(seconds)]
    mean = sum(counts) / seconds
    variance = sum((count - mean) ** 2 for count in counts) / seconds
    return {"seconds": seconds, "mean_per_s": mean, "min_per_s": min(counts), "max_per_s": max(counts), "cv": variance**0.5 / mean, "dispersion": variance / mean}


duckdb.sql("""
    create view units as
        select txn.name as name, count(*) requests, bool_and(ok) good, max(done_ns) - min(due_ns) lasted,
               row_number() over (order by min(due_ns), max(done_ns)) place
        from o where txn is not null group by txn.name, txn.id, session, copy""")


def transactions():
    found = rows("select name, count(*), count(*) filter (good), sum(requests)::bigint from units group by name order by 2 desc")
    return [(*one, distribution("lasted", "good and " + is_(name=one[0]), "units")) for one in found]


def errors(_=None):
    return rows("select failure, count(*), min(due_ns), max(due_ns) from o where not ok group by 1 order by 2 desc, 1")


def picked(shown, query):
    found = rows(query)
    assert len(found) == len(shown)
    figure = lambda value: None if value is None else float(value)
    return [[(str(id), f"copy {copy}" if copy else ""), float(due - FIRST), figure(response), figure(service), (collection, operation), kind, cells[6][0]]
            for cells, (id, copy, due, response, service, collection, operation, kind) in zip(shown, found)]


def slowest(shown):
    return picked(shown, "select id, copy, due_ns, response, service, collection, operation, case when ok then '–' else failure end from o where answered order by response desc, id, copy limit 20")


def first_failures(shown):
    return picked(shown, """
        select id, copy, due_ns, case when sent_ns is not null then response end, service, collection, operation, failure from (
            from (select *, row_number() over (partition by failure order by due_ns, id, copy) round from o where not ok) order by round, failure limit 20)
        order by due_ns, id, copy""")


MATCHES = ["same", "same-ids", "differs-status", "differs-shape", "differs-body", "unknown"]


def agreement(_=None):
    counts = ", ".join(f"""count(*) filter ("match" = '{match}')""" for match in MATCHES)
    return rows(f"""
        select collection, operation, count("match"), {counts}, count(recall), avg(recall::double),
               case when count(recall) >= 36 then quantile_disc(recall, 0.1) end, min(recall), avg(rank_correlation::double)
        from o where "match" is not null group by all order by 3 desc, 1, 2""")


def readings():
    """Every series after the warm-up, with the unit of what is shown: durations are ns."""
    duckdb.sql(f"create or replace view r as from '{RUN}/resources-*.parquet' where run_ns >= {ASKED.get('warmup_ns') or 0}")
    return rows("select source, series, unit, count(*), arg_min(value, run_ns), arg_max(value, run_ns), min(value), avg(value), quantile_disc(value, 0.95), max(value) from r group by all")


def resources(shown):
    found = {(series, source): (unit, mean, least, p95, most, count) for source, series, unit, count, _, _, least, mean, p95, most in readings()}
    made = []
    for cells in shown:
        unit, *figures, count = found[cells[0]]
        scale = 1e9 if unit == "s" else 1.0
        made.append([cells[0], *(figure * scale for figure in figures), count])
    return made


def target_cpu():
    """Growth of the processor time of the target's processes, and the answers between the first and last reading."""
    readings()
    sources = [source for source, in rows("select source from r where series = 'cpu_s' and source similar to '(pid|command):.*' group by 1 having count(*) > 1")]
    if not sources:
        return None
    names = ", ".join(map(quoted, sources))
    cpu, begin, end = row(f"""select sum(case when value < earlier then value else value - earlier end), min(seen), max(seen) from
        (select value, lag(value) over (partition by source order by run_ns) earlier, run_ns seen from r where series = 'cpu_s' and source in ({names}))""")
    answered = row(f"select count(*) from o where answered and done_ns between {begin} and {end}")[0]
    return {"cpu_s": cpu, "answered": answered, "answered_per_cpu_s": answered / cpu if cpu >= 0.2 else None}


def target_facts(shown):
    found = target_cpu()
    figures = [found["cpu_s"] * 1e9, found["answered"], found["answered_per_cpu_s"], shown[3][1][0]]
    return [[cell[0][0], figure] for cell, figure in zip(shown, figures, strict=True)]


def over_time(*lines):
    """Means of series by bin, added over their sources."""
    def make(shown):
        edges, width = bins(shown, END)
        last, heads = len(edges) - 1, HEADS["resources: " + ("cpu" if len(lines) > 1 else "memory") + "-over-time"][1:]
        made = []
        for head, source, series in lines:
            if head not in heads:
                continue
            found = dict(rows(f"""select bin, sum(mean) from (select least((run_ns - {FIRST}) // {width}, {last}) bin, source, avg(value) mean from '{RUN}/resources-*.parquet'
                where series = '{series}' and source similar to '{source}' and run_ns between {FIRST} and {END} group by all) group by 1"""))
            made.append([found.get(place) for place in range(last + 1)])
        return [[cell[0][0], *figures] for cell, figures in zip(shown, zip(*made))]
    return make


def lateness():
    sends = "(select own_ns - due_ns late, row_number() over (order by due_ns, own_ns) place from o where sent_ns is not null)"
    return distribution("late", "true", sends)


def lateness_table(_):
    found = lateness()
    return [["Lateness", found["count"], *cells(found)]]


def dispersion(width, instant):
    """Variance over mean of the sends in whole windows from the first one on."""
    begin, end = row(f"select min({instant}), max({instant}) from o where sent_ns is not null")
    counts = dict(rows(f"select ({instant} - {begin}) // {width}, count(*) from o where sent_ns is not null group by 1"))
    counts = [counts.get(window, 0) for window in range((end - begin) // width)]
    mean = sum(counts) / len(counts)
    return sum((count - mean) ** 2 for count in counts) / len(counts) / mean


def dispersions(shown):
    widths = [round(read(cells[0][0])[0]) for cells in shown]
    return [[cells[0][0], dispersion(width, "due_ns"), dispersion(width, "own_ns")] for cells, width in zip(shown, widths)]


def criteria():
    """What the timing is judged by: found, how far our histogram's buckets (0.1 % wide) may be off, and the most that is allowed. A difference
    of gaps is small beside them, so it is taken between the middles of the buckets."""
    late = [one for one, in rows("select abs(own_ns - due_ns) from o where sent_ns is not null order by 1")]
    at = lambda p: late[math.ceil(p * SENT - 1e-9) - 1]
    missed, scheduled = row("""select count(*) filter (sent_ns is null and (error is null or error in ('shed:max-queued-bytes', 'shed:descriptors'))),
        count(*) filter (error is null or error not in ('unreplayable', 'aborted')) from o""")
    sides = [[gap for gap, in rows(f"select gap from (select {name} - lag({name}) over (order by {name}) gap from o where sent_ns is not null) where gap is not null order by 1")]
             for name in ("due_ns", "own_ns")]
    middle = lambda gap: (gap >> width) * (1 << width) + (1 << width >> 1) if (width := max(gap.bit_length() - 11, 0)) else gap
    w1 = sum(abs(middle(a) - middle(b)) for a, b in zip(*sides)) / len(sides[0])
    gap = sum(sides[0]) / len(sides[0])
    pairs = [(dispersion(one["window_ns"], "due_ns"), dispersion(one["window_ns"], "own_ns")) for one in FOUND["timing"]["fidelity"]["dispersion"]]
    error = [abs(math.log(own / due)) if due >= 1 else abs(own - due) for due, own in pairs]
    span, drift = row(f"select max(due_ns) - min(due_ns), abs(regr_slope((own_ns - due_ns)::double, (due_ns - {DUE_FROM})::double)) from o where sent_ns is not null")
    named = ASKED.get("max_lateness_ns")
    late_max, rare_max = (float(named), 10.0 * named) if named else (max(1e6, 0.05 * gap), 1e7)
    return {
        "Share of requests missing": (missed / scheduled, 1e-9, 0.001),
        "Lateness at the 99th percentile": (float(at(0.99)), 1e-3, late_max),
        "Distance of the inter-arrival times": (w1, 2e-3, max(5e3, 0.02 * gap)),
        "Drift of the rate": (drift, 1e-6, max(0.001, late_max / span)),
    } | ({"Lateness at the 99.9th percentile": (float(at(0.999)), 1e-3, rare_max)} if SENT >= 2995 else {}) | ({"Error of the index of dispersion": (max(error), 1e-9, 0.05)} if error else {})


def checks(shown):
    made, known = [], criteria()
    if ASKED.get("pacing") == "closed":  # without a schedule there is nothing else to keep
        known = {name: one for name, one in known.items() if name.startswith(("Share", "Lateness"))}
    for cells in shown:
        wanted, off, most = known[cells[0][0]]
        made.append([cells[0][0], Near(wanted, off), most, "kept" if wanted <= most else "missed"])
    assert len(made) == len(known), (made, known)
    return made


def latency_by_load(shown):
    """Points of the steps that the generator did not spoil, and the interval as far as it lies inside of the chart. Of a fitted curve, which
    its own tests hold, there are places between them, and a band."""
    steps = next(one for one in FOUND["findings"] if one["id"] == "breaking-point")["figures"]["steps"]
    made = []
    for step in sorted((step for step in steps if not step["spoilt"]), key=load_of):
        inside = f"due_ns >= {step['from_ns']} and due_ns < {step['to_ns']}"
        due = row(f"select count(*) from o where {inside}")[0]
        found = distribution("response", f"answered and {inside}")
        if found["p50"]["value_ns"] is not None:
            median, tail = (None if found[name]["value_ns"] is None else float(found[name]["value_ns"]) for name in ("p50", "p99"))
            load = due * S / (step["to_ns"] - step["from_ns"]) if step["users"] is None else step["users"]
            made.append([load, median, tail, median, tail, found["p99"]])
    told, rows, fitted = iter(made), [], len(shown[0]) == 7
    for cells in shown:
        if fitted and cells[3][0] == "–":
            rows.append([cell[0] for cell in cells])
            continue
        figures = next(told)
        ends = figures.pop()
        low, high = ends["low_ns"], ends["high_ns"]
        band = cells[5][0].split(" – ") if low is not None else None
        # Both ends are cut off where the chart ends.
        inside = band and len(band) == 2 and (check(band[0], float(low)) or read(band[0])[0] >= low) and (check(band[1], float(high)) or read(band[1])[0] <= high)
        figures.append(cells[5][0] if inside or band is None and cells[5][0] == "–" else [low, high])
        if fitted:
            figures[1] = cells[1][0]
            figures.append(cells[6][0])
        rows.append(figures)
    assert next(told, None) is None, "a step is not shown"
    return rows


def phase_facts(name, begin, end):
    def make(shown):
        requests, good = row(f"select count(*), count(*) filter (ok) from o where {is_(phase=name)}")
        per_second = lambda count: count * S / (end - begin) if end > begin else None
        told = shown[4][1][0].partition(" (")
        share = (requests - good) / requests if requests > good else None
        assert told[0] == f"{requests - good:,} of {requests:,}" and check(told[2].removesuffix(")"), share), shown[4]
        figures = [shown[0][1][0], asked_per_s(begin, end), per_second(requests), per_second(good), shown[4][1][0]]
        return [[cells[0][0], figure] for cells, figure in zip(shown, figures, strict=True)]
    return make


def of_phase(name):
    """Both times of a phase, and its response times by collection and operation."""
    both = lambda _: [[time + " time", (found := times(is_(phase=name))[time.lower()])["count"], *cells(found)] for time in ("Response", "Service")]
    return both, grouped("response", "collection", "operation", where=is_(phase=name))


ROUND = [unit * by for unit in (10**6, 10**7, 10**8, 10**9) for by in (1, 2, 5)] + [seconds * 10**9 for seconds in (10, 15, 30, 60, 120, 300, 600)]


def by_collection(value, is_rate):
    """A figure of each collection by stretch of time, as far as there is something to show."""
    def make(shown):
        width = next(one for one in ROUND if one >= (LAST - FIRST) // 48 + 1)
        count = (LAST - FIRST) // width + 1
        made = []
        for name, in rows("select collection from everything group by 1 order by count(*) desc, 1 limit 24"):
            found = {bin: rest for bin, *rest in rows(f"select least((due_ns - {FIRST}) // {width}, {count - 1}), {value} from everything where {is_(collection=name)} group by 1")}
            for bin in range(count):
                covered = min(FIRST + (bin + 1) * width, LAST) - FIRST - bin * width
                figures = found.get(bin, [0] if is_rate else [None])
                if is_rate:
                    figures = [figures[0] * S / covered if covered >= width / 2 else None]
                if any(figure is not None for figure in figures):
                    made.append([name, (bin + 0.5) * width, *(None if figure is None else float(figure) for figure in figures)])
        # A logarithmic scale has no place for 0.
        return made if len(made) == len(shown) else [one for one in made if any(one[2:])]
    return make


def latency_by_collection(shown):
    p99 = "case when count(*) filter (answered) >= 100 then quantile_disc(response, 0.99) filter (answered) end, "
    median = "quantile_disc(response, 0.5) filter (answered)"
    return by_collection((p99 if len(shown[0]) == 4 else "") + median, False)(shown)


def slowest_operations(shown):
    found = [(name, distribution("response", "answered and " + is_(collection=name[0], operation=name[1]))["p99"]) for name, *_ in groups("collection", "operation")]
    found = sorted(((" · ".join(name), p99) for name, p99 in found if p99["value_ns"] is not None), key=lambda one: (-one[1]["value_ns"], one[0]))
    ends = lambda p99: None if p99["low_ns"] is None else [float(p99["low_ns"]), float(p99["high_ns"])]
    return [[name, float(p99["value_ns"]), ends(p99)][: len(shown[0])] for name, p99 in found[:12]]


def errors_over_time(shown):
    edges, width = bins(shown, END)
    kinds = [kind for kind, *_ in errors()]
    lines = [is_(failure=kind) for kind in kinds[:4]]
    if kinds[4:]:
        lines.append(f"failure in ({', '.join(map(quoted, kinds[4:]))})")
    counts = [binned("count(*)", f"not ok and {line}", "due_ns", edges, width) for line in lines]
    rate = lambda count, begin, end: (count or 0) * S / (end - begin) if end - begin >= width / 2 else None
    return [[cells[0][0], *(rate(line[bin], *edges[bin]) for line in counts)] for bin, cells in enumerate(shown)]


def headline(shown):
    """The five figures at the top, with what they are to be read with."""
    found, late = times("true")["response"], lateness()["p99"]["value_ns"]
    figure = lambda value: None if value is None else float(value)
    figures = [figure(found["p50"]["value_ns"]), figure(found["p99"]["value_ns"]), per_s(SENT, SENT_FROM, SENT_TO), (REQUESTS - GOOD) / REQUESTS, figure(late)]
    assert check(shown[2][2][0].removeprefix("of ").removesuffix(" offered"), per_s(REQUESTS, DUE_FROM, DUE_TO)), shown[2]
    assert shown[3][2][0] == f"{REQUESTS - GOOD:,} of {REQUESTS:,}", shown[3]
    return [[cells[0][0], value, cells[2][0]] for cells, value in zip(shown, figures, strict=True)]


def issues(shown):
    """Bursts of errors and stalls are held by counting what lies between their ends; all others are told of elsewhere in the page."""
    made = []
    for cells, issue in zip(shown, FOUND["issues"], strict=True):
        begin, end, what = issue["from_ns"], issue["to_ns"], issue["what"]
        if issue["key"].startswith("errors-"):
            count = row(f"select count(*) from everything where not ok and due_ns between {begin} and {end}")[0]
            assert what.startswith(f"{count:,} request"), (what, count)
        if issue["key"].startswith("stall-"):
            late = row(f"select max(own_ns - due_ns) from o where sent_ns is not null and due_ns >= {begin} and own_ns <= {end}")[0]
            assert check(re.search(r"up to (.+) late", what)[1], float(late)), (what, late)
        made.append([issue["key"], float(begin - FIRST), "–" if end is None else float(end - FIRST), what, issue["resolution"] or "–"])
    return made


# ---- what was asked, and how the run stands to it ----


def card(_):
    """The lines of run.json that the card has."""
    named = lambda name, url: url if name == "*" else f"{name} → {url}"
    began = INFO["clocks"][0]["unix_ns"] // 10**9 if INFO["clocks"] else None
    lines = {
        "Note": INFO["note"], "Target": ", ".join(named(*one) for one in sorted(INFO["targets"].items())), "Trace": INFO["trace"], "Trace hash": INFO["trace_hash"],
        "Started": datetime.fromtimestamp(began, timezone.utc).strftime("%Y-%m-%d %H:%M:%S UTC") if began else "",
        "Seed": str(INFO["seed"]), "Version": INFO["tool"], "Host": ", ".join(f"{name} {value}" for name, value in sorted(INFO["host"].items())),
    }
    return [[name, text] for name, text in lines.items() if text]


def students(value, batches):
    """Student's interval around a value, from the values of its twenty batches."""
    half = 2.093024054408263 * (statistics.variance(batches) / len(batches)) ** 0.5
    return [value - half, value + half]


TIMES = {
    "": ("response", "answered"), "service_": ("service", "answered"), "first_byte_": ("first_byte_ns - sent_ns", "first_byte_ns is not null and sent_ns is not null"),
    "connect_": ("connect_ns", "connect_ns is not null"), "lateness_": ("own_ns - due_ns", "sent_ns is not null and error is distinct from 'unreplayable'"),
}
MOST = {"cpu": "cpu_cores", "memory": "rss_bytes"}


def rate_of(count, instant, where, begin, end):
    """A rate with the interval of those in twenty equal parts of its time."""
    at = [one for one, in rows(f"select {instant} from o where {where} and {instant} is not null")]
    counts = [0] * 20
    for one in at:
        counts[min(max((one - begin) * 20 // (end - begin), 0), 19)] += 1
    return count, students(count, [one * 20 * S / (end - begin) for one in counts]) if len(at) >= 200 else None


def measured(metric, where):
    """Value of a threshold's metric and its interval; ... where that is not recomputed."""
    if found := re.fullmatch(r"(service_|first_byte_|connect_|lateness_)?(?:(p[\d.]+)|mean|max)", metric):
        value, having = TIMES[found[1] or ""]
        told = distribution(value, f"{having} and {where}")
        if found[2]:
            quantile = told[found[2]]
            return quantile["value_ns"], None if quantile["low_ns"] is None else [float(quantile["low_ns"]), float(quantile["high_ns"])]
        if metric.endswith("max"):
            return told["max_ns"], None
        observed = [float(one) for one, in rows(f"select {value} from o where {having} and {where} order by place")]
        size = len(observed) // 20
        return told["mean_ns"], students(told["mean_ns"], [sum(observed[at * size : (at + 1) * size]) / size for at in range(20)]) if size >= 10 else None
    n, good, whole, first, last_due, done, sent, first_sent, last_sent = row(f"""select count(*), count(*) filter (ok), count(*) filter (answered), min(due_ns), max(due_ns), max(done_ns),
        count(sent_ns), min(sent_ns), max(sent_ns) from o where {where}""")
    if metric in MOST:
        # Of the readings so far the latest of each process, added.
        latest, most = {}, 0.0
        for source, value in rows(f"""select source, value from '{RUN}/resources-*.parquet' where series = '{MOST[metric]}' and source similar to '(pid|command):.*'
                and run_ns between {first} and {done} order by run_ns, source"""):
            latest[source] = value
            most = max(most, sum(latest.values()))
        return most, None
    if metric == "availability":
        return row(f"select avg(good::int) from (select bool_or(ok) good from o where {where} group by due_ns // 1000000000)")[0], ...
    if metric == "recovery_time":
        return max((one["recovered_s"] or one["watched_s"]) * S for one in recoveries() if one["baseline"]), None
    return {
        "error_rate": lambda: ((n - good) / n, ...), "count": lambda: (n, None),
        "throughput": lambda: rate_of(whole * S / (done - first), "done_ns", f"answered and {where}", first, done),
        "goodput": lambda: rate_of(good * S / (done - first), "done_ns", f"ok and {where}", first, done),
        "achieved": lambda: rate_of(per_s(sent, first_sent, last_sent), "sent_ns", where, first_sent, last_sent),
        "recall": lambda: (row(f"select avg(recall::double) from o where recall is not null and {where}")[0], ...),
        "match_rate": lambda: (row(f"""select avg(("match" in ('same', 'same-ids'))::int) from o where "match" <> 'unknown' and {where}""")[0], ...),
    }[metric]()


def scope_of(text):
    return " and ".join(["true", *(f"{'txn.name' if name == 'transaction' else name} = {quoted(value)}" for name, value in (pair.split("=", 1) for pair in (text or "").split(",") if pair))])


def limits_of(text):
    """Both limits of a threshold as values, the stricter one first where there are two."""
    return [read(re.sub(r"(?<=\d)(?=[a-zµA-Z%/])", " ", one))[0] for one in text.split("|")]


HOLDS = {"<": lambda a, b: a < b, "<=": lambda a, b: a <= b, ">": lambda a, b: a > b, ">=": lambda a, b: a >= b}


INVALID = FOUND["verdict"] == "invalid"


def thresholds(shown):
    made = []
    if INVALID:
        return [[("not judged", ""), *cells[1:]] for cells in shown]
    for cells in shown:
        metric, scope, comparator, limits = re.fullmatch(r"([a-z0-9_.]+)(?:\{(.*)\})?(<=|>=|<|>)(.+)", cells[1][0]).groups()
        value, ends = measured(metric, scope_of(scope))
        bounds = limits_of(limits)
        held = [value is not None and HOLDS[comparator](value, bound) for bound in bounds]
        verdict = "insufficient" if value is None else "pass" if held[-1] else "fail"
        band = "" if len(bounds) == 1 or value is None else "good" if held[0] else "acceptable" if held[1] else "poor"
        shown_ends = cells[2][1] if ends is ... else "" if ends is None else ends
        made.append([(verdict, band), cells[1][0], (value if isinstance(value, int) and metric == "count" else None if value is None else float(value), shown_ends), cells[3][0]])
    return made


# ---- levels of load ----


def finding(id):
    return next((one["figures"] for one in FOUND["findings"] if one["id"] == id), None)


STEPS = (finding("breaking-point") or {}).get("steps") or []


def most_open(where):
    """Connections open at once: each from its first request to its last answer."""
    uses = rows(f"select min(sent_ns), max(coalesce(done_ns, {2**62})) from o where sent_ns is not null and {where} group by conn")
    opened, closed = sorted(first for first, _ in uses), sorted(last for _, last in uses)
    at = lambda instant: bisect.bisect_right(opened, instant) - bisect.bisect_right(closed, instant)
    return lambda begin, end: max(map(at, [begin, *opened[bisect.bisect_right(opened, begin) : bisect.bisect_left(opened, end)]]))


def rate_ends(instants, begin, end, value):
    """The interval of a step's rate, over twenty parts made of whole bins."""
    start, stop = STEPS[0]["from_ns"], STEPS[-1]["to_ns"]
    width = max(min(step["to_ns"] - step["from_ns"] for step in STEPS) // 60, (stop - start) // 16384, 1)
    first, last = -((start - begin) // width), (end - start) // width
    size = (last - first) // 20
    if size == 0:
        return None
    counts = [0] * 20
    for at in instants:
        part = ((at - start) // width - first) // size
        if at >= start + first * width and part < 20:
            counts[part] += 1
    low, high = students(value, [count * S / (size * width) for count in counts])
    return [max(low, 0.0), high]


def levels(where="true"):
    """What each step shows of the requests of a scope."""
    made, connections = [], most_open(where)
    for step in STEPS:
        begin, end = step["from_ns"], step["to_ns"]
        seconds = (end - begin) / S
        due, came = f"{where} and due_ns >= {begin} and due_ns < {end}", f"{where} and done_ns >= {begin} and done_ns < {end}"
        n, bad, first_bad = row(f"select count(*), count(*) filter (not ok), min(due_ns) filter (not ok) from o where {due}")
        if n == 0:
            continue
        unserved = row(f"select count(*) from o where {due} and error in ('timeout', 'shed:max-in-flight', 'shed:max-connections')")[0]
        whole, good = ([at for at, in rows(f"select done_ns from o where {came} and {kind}")] for kind in ("answered", "ok"))
        flight = row(f"select coalesce(sum(least(coalesce(done_ns, {end}), {end}) - greatest(sent_ns, {begin})), 0) from o where {where} and sent_ns < {end} and coalesce(done_ns, {end}) > {begin}")[0]
        made.append({
            "name": step["name"], "from_ns": begin, "to_ns": end, "requests": n, "offered_per_s": n / seconds, "failed": bad, "first_failed_ns": first_bad, "unserved": unserved,
            "answered_per_s": len(whole) / seconds, "answered_ends": rate_ends(whole, begin, end, len(whole) / seconds),
            "goodput_per_s": len(good) / seconds, "goodput_ends": rate_ends(good, begin, end, len(good) / seconds),
            "in_flight_mean": float(flight) / S / seconds, "connections": connections(begin, end), **times(due), "spoilt": step["spoilt"], "users": step["users"],
        })
    return made


LEVELS_OF = {}


def levels_of(collection):
    if collection not in LEVELS_OF:
        LEVELS_OF[collection] = levels("true" if collection == "all" else is_(collection=collection))
    return LEVELS_OF[collection]


def load_of(step):
    return step["users"] if step["users"] is not None else step["offered_per_s"]


def load_text(load):
    return Words(r"(.+) users", load) if STEPS[0]["users"] is not None else load


def found_of(limit):
    """What a limit looks at in a step, and whether it holds: None where an interval encloses the limit. Of `keeps up`, which a random walk
    is held against by its own tests, ..."""
    if limit == "keeps up with the load":
        return ...
    if limit == "no errors" or limit.startswith("errors ≤ "):
        most = 0.0 if limit == "no errors" else read(limit.removeprefix("errors ≤ "))[0]
        return lambda step: (step["failed"] / step["requests"], step["failed"] / step["requests"] <= most)
    metric, scope, comparator, text = re.fullmatch(r"([a-z0-9_.]+?)(?:\{(.*)\})?(<=|>=|<|>|=)(.+)", limit).groups()
    bound = limits_of(text)[-1]
    of_scope = {step["name"]: step for step in levels(scope_of(scope))} if scope else None
    def held(low, high, value):
        return None if value is None else (float(value), True if high <= bound else False if low > bound else None)
    def floor(step, kind):
        value, ends = step[f"{kind}_per_s"], step[f"{kind}_ends"]
        low, high = ends or (value, value)
        told = True if low >= bound else False if high < bound else None
        return value, told if step["offered_per_s"] >= bound else None
    def quantile(step):
        told = step["service" if metric.startswith("service_") else "response"][metric.removeprefix("service_")]
        value = told["value_ns"]
        return held(*((value, value) if told["low_ns"] is None else (told["low_ns"], told["high_ns"])), value)
    def mean_of(series):
        return lambda step: row(f"""select sum(mean) from (select avg(value) mean from '{RUN}/resources-*.parquet' where source similar to '(pid|command):.*' and series = '{series}'
            and run_ns >= {step['from_ns']} and run_ns < {step['to_ns']} group by source)""")[0]
    plain = {
        "mean": lambda step: step["response"]["mean_ns"], "max": lambda step: step["response"]["max_ns"], "error_rate": lambda step: step["failed"] / step["requests"],
        "connections": lambda step: step["connections"], "cpu": mean_of("cpu_cores"), "memory": mean_of("rss_bytes"),
    }
    if metric in ("throughput", "goodput"):
        found = lambda step: floor(step, "answered" if metric == "throughput" else "goodput")
    elif metric in plain:
        found = lambda step: held(value := plain[metric](step), value, value)
    elif re.fullmatch(r"(service_)?p[\d.]+", metric):
        found = quantile
    else:
        return ...
    return found if of_scope is None else lambda step: found(of_scope[step["name"]]) if step["name"] in of_scope else None


def bracket(collection, limit):
    """The last load at which a limit held and the first at which it did not, and of how many steps; a miss in the backlog of a larger load is
    left out."""
    found, told, over, until = found_of(limit), [], None, None
    for step in levels_of(collection):
        seen = None if step["spoilt"] else found(step)
        if seen is None or seen[1] is None:
            continue
        load, after = load_of(step), over if until is not None and step["from_ns"] >= until else None
        until = step["to_ns"]
        if seen[1]:
            over = None
        elif after is not None and load < after:
            continue
        else:
            over = max(load, after or 0.0)
        told.append((load, seen[0], seen[1], step))
    missed = [one for one in told if not one[2]]
    held = [one for one in told if one[2] and one[0] < min((one[0] for one in missed), default=math.inf)]
    missed = [one for one in missed if one[0] > max((one[0] for one in told if one[2]), default=-math.inf)]
    by_load = lambda one: one[0]
    return max(held, key=by_load, default=None), min(missed, key=by_load, default=None), len(told)


def told_of(one):
    load, value, _, step = one
    return load_text(load), Words(rf"(.+); {re.escape(step['name'])}, (.+) – (.+)", value, float(step["from_ns"]), float(step["to_ns"]))


def brackets(shown):
    made, reached = [], {}
    for cells in shown:
        collection, limit = cells[0][0], cells[1][0]
        if found_of(limit) is ...:
            # Where it lies is taken from the page, what is told of the steps is not.
            step = lambda cell: next(one for one in levels_of(collection) if f"; {one['name']}, " in cell[1])
            held, missed, judged = (None if cell[0] == "–" else (load_of(step(cell)), ..., None, step(cell)) for cell in cells[2:4]), None, cells[5][0]
            (held, missed) = held
        else:
            held, missed, judged = bracket(collection, limit)
        reached[collection, limit] = missed[0] if missed else math.inf
        seen = lambda one, cell: "–" if one is None else (load_text(one[0]), cell[1]) if one[1] is ... else told_of(one)
        made.append([collection, limit, seen(held, cells[2]), seen(missed, cells[3]), held[3]["connections"] if held else "–", judged])
    first = lambda collection: min((at for (of, limit), at in reached.items() if of == collection and limit != "no errors"), default=math.inf)
    for line in made:
        at = reached[line[0], line[1]]
        line[1] = (line[1], "reached first" if at < math.inf and at <= first(line[0]) and line[1] != "no errors" else "")
    return made


LIMITS = "breaking: The load at which each limit was reached"
SERIES = {"the target's processors": ("(pid|command):.*", "cpu_cores"), "the processors of the machine that sent the load": ("host", "cpu_cores"),
          "the target's memory": ("(pid|command):.*", "rss_bytes"), "the memory of the machine that sent the load": ("host", "memory_used_bytes"),
          "the target's threads": ("(pid|command):.*", "threads"), "the target's descriptors": ("(pid|command):.*", "descriptors"),
          "the target's connections": ("(pid|command):.*", 'sockets{state="established"}')}


def signs(shown):
    """What is told of the step that shows it: a resource's mean, or the 99th percentile of an operation and that of the smallest load."""
    made = []
    for cells in shown:
        what, how, step = cells[1][0], cells[2][0], next(one for one in levels_of("all") if one["name"] == cells[3][1])
        if what in SERIES:
            source, series = SERIES[what]
            mean = row(f"""select sum(mean) from (select avg(value) mean from '{RUN}/resources-*.parquet' where source similar to '{source}' and series = '{series}'
                and run_ns >= {step['from_ns']} and run_ns < {step['to_ns']} group by source)""")[0]
            figure = Words(r"(.+?)(?: cores)? in use(?:, and no more| of).*", mean)
        else:
            kind = "concat_ws(' ', nullif(collection, ''), operation)"
            p99 = lambda one: row(f"select case when count(*) >= 100 then quantile_disc(response, 0.99) end from o where answered and {kind} = {quoted(what)} and due_ns >= {one['from_ns']} and due_ns < {one['to_ns']}")[0]
            by_load = sorted((one for one in levels_of("all") if not one["spoilt"]), key=load_of)
            low = next(value for one in by_load if (value := p99(one)) is not None)
            figure = Words(r"p99 rose from (.+) to (.+)", float(low), float(p99(step)))
        made.append([cells[0][0], what, figure, (load_text(load_of(step)), step["name"])])
    return made


def sustained(shown):
    """The most good answers of a step, and the fewest from the first load on with which the target did not keep up."""
    broken = {cells[0][0]: cells[3] for name, block in PAGE.items() if name.startswith(("breaking: The load", "breaking: The same")) for cells in block if cells[1][0].startswith("keeps up")}
    made = []
    for cells in shown:
        sound = [step for step in levels_of(cells[0][0]) if not step["spoilt"]]
        most = max(sound, key=lambda step: step["goodput_per_s"])
        missed = broken.get(cells[0][0], ("–", ""))
        reached = missed[0] != "–"
        beyond = "–"
        if reached:
            at = next(load_of(step) for step in sound if f"; {step['name']}, " in missed[1])
            least = min((step for step in sound if load_of(step) >= at), key=lambda step: step["goodput_per_s"])
            graceful = (least["goodput_ends"] or [0, least["goodput_per_s"]])[1] >= 0.9 * most["goodput_per_s"]
            left = Words(r"(.+) left at (.+?)(?: users)?", least["goodput_per_s"] / most["goodput_per_s"], load_of(least))
            beyond = ("graceful" if graceful else "collapses", left)
        made.append([cells[0][0], (Words("(.+)" if reached else "≥ (.+)", most["goodput_per_s"]), most["goodput_ends"] or ""), most["name"], beyond])
    return made


def capacity_facts(shown):
    """Borne is the least that a limit held up to, and not borne the least at which one was missed: a stray failure is no limit, and one of a part of
    the requests, or of a rate, says nothing where it held nowhere."""
    lines = {cells[1][0]: [None if cell[0] == "–" else next(step["offered_per_s"] for step in levels_of("all") if f"; {step['name']}, " in cell[1]) for cell in cells[2:4]]
             for name, block in PAGE.items() if name.startswith(LIMITS) for cells in block if cells[1][0] != "no errors"}
    partial = lambda limit: "{" in limit or limit.startswith(("throughput", "goodput"))
    held = min(pair[0] or 0.0 for limit, pair in lines.items() if pair[0] is not None or not partial(limit))
    missed = min((pair[1] for pair in lines.values() if pair[1] is not None), default=None)
    figures = [None, None] if held == 0.0 or missed is not None and missed <= held else [held, missed if missed is not None else "nothing tried"]
    return [[cell[0][0], figure] for cell, figure in zip(shown, [*figures, *([target_cpu()["answered_per_cpu_s"]] if len(shown) > 2 else [])], strict=True)]


def scalability(shown):
    """Measured points; the law between them, and its band, are of a fit that its own tests hold."""
    points = {load if (load := step["users"]) is not None else step["in_flight_mean"]: step["goodput_per_s"] for step in levels_of("all") if not step["spoilt"]}
    near = lambda x: min(points, key=lambda one: abs(one - x))
    return [[cells[0][0], cells[1][0], "–" if cells[2][0] == "–" else points[near(read(cells[0][0])[0])], cells[3][0]] for cells in shown]


# ---- over time: recovery, silence, endurance ----


def recoveries():
    """After each phase of more load the time until the 99th percentile and the requests under way of five seconds in a row were as before it."""
    ends = [begin for _, begin, _ in PHASES[1:]] + [DUE_TO + 1]
    spans = [(name, begin, min(end, DUE_TO + 1)) for (name, begin, _), end in zip(PHASES, ends)]
    loads = [asked_per_s(begin, end) or 0.0 for _, begin, end in spans]
    made, at = [], 0
    while at < len(loads):
        to = next((one for one in range(at + 1, len(loads)) if loads[one] <= 1.1 * loads[at]), None)
        if not to or loads[at] <= 0 or max(loads[at + 1 : to], default=0.0) < 1.25 * loads[at]:
            at += 1
            continue
        last = to
        while last + 1 < len(loads) and loads[last + 1] <= 1.1 * loads[at]:
            last += 1
        made.append((spans[max(range(at + 1, to), key=lambda one: loads[one])][0], spans[at][1:], spans[to][1], spans[last][2]))
        at = to
    return [recovered(*one) for one in made]


def windows(begin, end):
    """Of each whole second: the 99th percentile of the requests due in it, and the requests under way at its end. Before them: those under way."""
    count = (end - begin) // 10**9
    under_way = row(f"select count(*) from o where due_ns < {begin} and done_ns >= {begin}")[0]
    found = dict(rows(f"select (due_ns - {begin}) // 1000000000, quantile_disc(response, 0.99) from o where answered and due_ns >= {begin} and due_ns < {end} group by 1"))
    at = lambda instant: row(f"select count(*) filter (due_ns < {instant}) - count(*) filter (done_ns < {instant}) from o where done_ns >= {begin} and done_ns is not null")[0]
    return under_way, [(found.get(place), at(begin + (place + 1) * 10**9)) for place in range(count)]


def recovered(name, before, over, until):
    length = (before[1] - before[0]) // 10**9 * 10**9
    calm = windows(before[1] - length, before[1])[1]
    backlog, after = windows(over, until)
    p99s = [p99 for p99, _ in calm if p99 is not None]
    made = {"after": f"phase {name}", "over_ns": over, "watched_s": float(len(after)), "backlog": float(backlog), "recovered_s": None, "baseline": None}
    if len(p99s) >= 5:
        middle, flight = statistics.median(p99s), statistics.median(one for _, one in calm)
        p99_max = max(1.1 * middle, middle + 3 * statistics.median(abs(one - middle) for one in p99s))
        flight_max = max(1.2 * flight, flight + 1)
        sound = [(one <= 0 if p99 is None else p99 <= p99_max) and one <= flight_max for p99, one in after]
        made["baseline"] = {"p99_max": float(p99_max), "in_flight_max": float(flight_max)}
        made["recovered_s"] = next((float(at) for at in range(len(sound) - 4) if all(sound[at : at + 5])), None)
    return made


def silence(told):
    """No good answer came between its ends, whom it hit, and no other time was longer in which as many requests waited."""
    begin, end = told["from_ns"], told["to_ns"]
    assert row(f"select count(*) from o where ok and done_ns > {begin} and done_ns < {end}")[0] == 0, told
    hit, bad = row(f"""select count(*), count(*) filter (not ok) from o where due_ns < {end} and (done_ns > {begin} or done_ns is null) and (done_ns is not null or due_ns >= {begin})""")
    good = [at for at, in rows("select done_ns from o where ok order by 1")]
    resolution = (DONE_TO - DUE_FROM) // 16384 + 1
    for before, after in zip(good, good[1:]):
        if after - before > end - begin + 2 * resolution:
            # With nothing under way it begins with the next request.
            under_way, next_due = row(f"select count(*) filter (due_ns <= {before} and coalesce(done_ns, due_ns) > {before}), min(due_ns) filter (due_ns > {before}) from o")
            before = before if under_way else next_due
        if after - before > end - begin + 2 * resolution:
            waiting = row(f"select count(*) from o where due_ns < {after - resolution} and coalesce(done_ns, due_ns) > {before + resolution}")[0]
            assert waiting < 10, (before, after, told)
    return {"from_ns": begin, "to_ns": end, "requests": hit, "failed": bad}


def theil_sen(x, y):
    """Median of the slopes of all pairs, with Sen's interval, and the line's beginning."""
    n = len(x)
    slopes = sorted((y[j] - y[i]) / (x[j] - x[i]) for i in range(n) for j in range(i + 1, n))
    ties = lambda values: sum(t * (t - 1) * (2 * t + 5) for value in set(values) if (t := values.count(value)) > 1)
    variance = (n * (n - 1) * (2 * n + 5) - ties(list(x)) - ties(list(y))) / 18
    half, last = 1.959963984540054 * variance**0.5, len(slopes) - 1
    rank = lambda place: min(round(max(place, 0.0)), last)
    slope = statistics.median(slopes)
    return slope, slopes[rank(0.5 * (len(slopes) - half) - 1)], slopes[rank(0.5 * (len(slopes) + half))], statistics.median(y) - slope * statistics.median(x)


def growth(points):
    """The line through the medians of 24 stretches of the points, and the two-sided p of the Mann–Kendall test."""
    values, n = [value for _, value in points], len(points)
    step = (points[-1][0] - points[0][0]) / (n - 1)
    medians = [statistics.median(values[at * n // 24 : (at + 1) * n // 24]) for at in range(24)]
    width = step * n / 24
    at = [(place + 0.5) * width for place in range(24)]
    slope, low, high, start = theil_sen(at, medians)
    s = sum((b > a) - (b < a) for place, a in enumerate(medians) for b in medians[place + 1 :])
    variance = (24 * 23 * 53 - sum(t * (t - 1) * (2 * t + 5) for value in set(medians) if (t := medians.count(value)) > 1)) / 18
    z = 0.0 if s == 0 or variance <= 0 else (s - (1 if s > 0 else -1)) / variance**0.5
    middle = abs(statistics.median(medians))
    drift = slope * width * 24
    return {"value": slope * 3600, "low": low * 3600, "high": high * 3600, "start": start, "drift": 0.0 if drift == 0 else drift / middle if middle else math.inf,
            "p": math.erfc(abs(z) / 2**0.5), "now": start + slope * width * 24}


def bins_within(edges, values, begin, end):
    """The bins that lie in the stretch, by their middles; nothing where too few have a value."""
    inside = [((a + width_of(edges) / 2) / S, value) for (a, _), value in zip(edges, values) if a >= begin and a + width_of(edges) <= end]
    filled = [one for one in inside if one[1] is not None]
    return filled if filled and len(filled) >= 0.9 * len(inside) else None


def width_of(edges):
    return edges[1][0] - edges[0][0]


def points_of(one):
    """What is judged of a series, in s and its own unit."""
    begin, end = FOUND["endurance"]["from_ns"], FOUND["endurance"]["to_ns"]
    if one["whose"] != "answers":
        return [(at / S, value) for at, value in rows(f"""select run_ns, value from '{RUN}/resources-*.parquet' where source = {quoted(one['source'])} and series = {quoted(one['series'])}
            and run_ns between {begin} and {end} order by run_ns""")]
    if one["series"].startswith("Response"):
        edges, width = bins(PAGE["latency: latency-over-time"], LAST)
        counts = binned("count(*)", "answered", "due_ns", edges, width)
        found = binned(f"quantile_disc(response, {0.99 if one['series'].endswith('p99') else 0.5})", "answered", "due_ns", edges, width)
        enough = lambda count: (count or 0) >= (100 if one["series"].endswith("p99") else 1)
        return bins_within(edges, [value / S if value is not None and enough(count) else None for count, value in zip(counts, found)], begin, end)
    edges, width = bins(PAGE["throughput: throughput-over-time"], END)
    ended = "coalesce(done_ns, due_ns)"
    good, bad = ([count or 0 for count in binned("count(*)", where, ended, edges, width)] for where in ("ok", "not ok"))
    if one["series"] == "Failed requests":
        return bins_within(edges, [b / (g + b) if g + b else None for g, b in zip(good, bad)], begin, end)
    return bins_within(edges, [g * S / (to - since) if to - since >= width / 2 else None for g, (since, to) in zip(good, edges)], begin, end)


NAMES = {"rss_bytes": "Resident memory", "descriptors": "Open descriptors", "threads": "Threads"}


def endurance(shown):
    made = []
    for cells, one in zip(shown, FOUND["endurance"]["figures"], strict=True):
        found, scale = growth(points_of(one)), 1e9 if one["unit"] == "s" else 1.0
        unit = r" ?(?:/s)?"
        left = "" if cells[5][0] == "" else max(0.0, (one["limit"]["at"] - found["now"]) / found["value"] * 3600) * S
        drift = Words(r"\+from nothing", ) if math.isinf(found["drift"]) else Words(r"([+−])(.+)", "−" if found["drift"] < 0 else "+", abs(found["drift"]))
        if cells[1][0] == "grows" or cells[1][0] == "falls":
            assert found["p"] < 0.01 and found["low"] * found["high"] > 0 and (found["value"] > 0) == (cells[1][0] == "grows"), (cells, found)
        made.append([(NAMES.get(one["series"], one["series"]), one["source"] or "answers"), cells[1][0], (found["value"] * scale, [found["low"] * scale, found["high"] * scale]), drift, found["p"],
                     left if left == "" else (left, float(one["limit"]["at"]) * scale)])
    return made


def endurance_chart(shown):
    """The series that goes the bad way most surely: means of its points, and the trend that the verdict takes it for."""
    bad = lambda one: one["kind"] in (("falling", "suspect_falling") if one["series"] == "Good answers" else ("growing", "suspect_growing")) or one["kind"] == "stepped" and (one["step"]["after"] > one["step"]["before"]) == (one["series"] != "Good answers")
    clear = lambda one: one["kind"] not in ("growing", "falling")
    figures = FOUND["endurance"]["figures"]
    one = next((one for whose in ("target", "answers", "generator") for one in sorted((one for one in figures if one["whose"] == whose and bad(one)), key=clear)), None)
    one = one or next(one for one in figures if len({value for _, value in points_of(one)}) > 1)
    assert HEADS["endurance: endurance"][1] == NAMES.get(one["series"], one["series"])
    points, scale = points_of(one), 1e9 if one["unit"] == "s" else 1.0
    found, each, made = growth(points), -(-len(points) // 240), []
    trend = lambda at: found["start"] + found["value"] / 3600 * (at - points[0][0])
    if one["step"]:
        trend = lambda at: one["step"]["before" if at < points[0][0] + one["step"]["at_s"] else "after"]
    for begin in range(0, len(points), each):
        few = points[begin : begin + each]
        at = statistics.fmean(one for one, _ in few)
        made.append([max(at - FIRST / S, 0.0) * S, statistics.fmean(value for _, value in few) * scale, trend(at) * scale])
    return made


# ---- what probes saw, in small charts ----


def watched(shown):
    """Means by stretch of time of the series of one name and probe, the three with the largest mean; and that no name is left out that varied."""
    by_name, width = {}, next(one for one in ROUND if one >= max((END - FIRST) // 48 + 1, interval()))
    last = -(-(END - FIRST + 1) // width) - 1
    rates = {(source, series) for source, series, *_ in readings()}
    # Of a counter on a page of metrics, its growth per second.
    grows = "source like 'prometheus:%' and regexp_matches(series, '^[^{]*(_total|_sum|_count)([{]|$)')"
    before = "over (partition by source, series order by run_ns)"
    read_as = f"""select *, case when {grows} then (value - case when value < lag(value) {before} then 0 else lag(value) {before} end) * 1e9 / (run_ns - lag(run_ns) {before}) else value end as seen,
        {grows} as counts from '{RUN}/resources-*.parquet'"""
    for source, series, unit, counts, bin, mean in rows(f"""select source, series, unit, counts, least((run_ns - {FIRST}) // {width}, {last}) bin, avg(seen) from ({read_as})
            where seen is not null and run_ns between {FIRST} and {END} group by all order by bin"""):
        name, _, labels = series.partition("{")
        name, unit = (name + " per second", "/s") if counts else (name, unit)
        front, labels = name.removesuffix("_s"), "{" + labels if labels else ""
        of_time = unit == "s" and name != front
        rate = front + ("_share" if front.endswith("_busy") else "_cores") if of_time else name + "_per_s"
        if source == "generator" or name in ("cpu_cores", "rss_bytes") or name.endswith("_bucket") or (source, rate + labels) in rates:
            continue
        by_name.setdefault((source, name), {}).setdefault((labels, unit), {})[bin] = mean
    said, varied = set(), set()
    wanted = {}
    for (source, name), lines in by_name.items():
        lines = {key: values for key, values in lines.items() if len(values) >= 3}
        if any(len(set(values.values())) > 1 for values in lines.values()):
            varied.add((source, name))
        largest = sorted(lines.items(), key=lambda one: (-statistics.fmean(one[1].values()), one[0][0]))
        wanted[source, name] = ", 3 of " + str(len(largest)) if len(largest) > 3 else "", largest[:3]
    made = []
    for cells in shown:
        name, source = re.fullmatch(r"(.+?), ((?:derived|host|\w+:).*?)(?:, 3 of \d+)?", cells[0][0]).groups()
        said.add((source, name))
        of, lines = wanted[source, name]
        bin = round(read(cells[1][0])[0] / width - 0.5)
        figure = lambda unit, values: None if bin not in values else float(values[bin]) * (1e9 if unit == "s" else 1.0)
        figures = [figure(unit, values) for (_, unit), values in lines]
        labels = [", ".join(re.findall(r'"([^"]*)"', labels)) for (labels, _), _ in lines]
        text = Words("(.+)" if len(lines) == 1 else "; ".join(re.escape(f"{one}: ") + "(.+)" for one in labels), *figures)
        made.append([f"{name}, {source}{of}", (bin + 0.5) * width, text])
    assert said == varied or len(said) == 24 and said < varied, (varied - said, said - varied)
    return made


def interval():
    """How far readings are apart: the upper median over the longest series, of several the one that was read last at first."""
    read_from = f"read_parquet('{RUN}/resources-*.parquet', filename = true, file_row_number = true)"
    longest = rows(f"""select list(run_ns order by run_ns) from (select *, row_number() over (order by filename, file_row_number) place from {read_from})
        group by source, series order by count(*) desc, min(place) desc limit 1""")[0][0]
    gaps = sorted(b - a for a, b in zip(longest, longest[1:]))
    return gaps[len(gaps) // 2] if gaps else 0


BLOCKS = {
    "card: facts": card,
    "card: command": lambda _: [[shlex.join(INFO["command"])]],
    "thresholds: Thresholds": thresholds,
    LIMITS: brackets,
    "breaking: The same by collection": brackets,
    "breaking: What was at its end": signs,
    "breaking: The most good answers": sustained,
    "capacity: facts": capacity_facts,
    "capacity: scalability": scalability,
    "endurance: Growth over": endurance,
    "endurance: endurance": endurance_chart,
    "resources: watched-over-time": watched,
    "figures": headline,
    "latency: percentiles": percentiles,
    "latency: Response time runs from": lambda _: [[name + " time", (found := times("true")[name.lower()])["count"], *cells(found)] for name in ("Response", "Service")],
    "latency: Response time by phase.": by_phase,
    "latency: latency-over-time": latency_over_time,
    "latency: heat": heat,
    "latency: Connect time": connects,
    "throughput: facts": throughput_facts,
    "throughput: throughput-over-time": throughput,
    "throughput: in-flight-over-time": in_flight,
    "collections: Response time": grouped("response", "collection", "operation"),
    "collections: Service time": grouped("service", "collection", "operation"),
    "collections: Response time by phase, target": grouped("response", "phase", "target", "collection", "operation"),
    "breaking: latency-by-load": latency_by_load,
    "collections: rate-by-collection": by_collection("count(*)", True),
    "collections: latency-by-collection": latency_by_collection,
    "collections: slowest-operations": slowest_operations,
    "collections: Beyond the": lambda _: [[name, n, failed(n, good)] for name, n, good in rows(
        "select collection, count(*), count(*) filter (ok) from everything group by 1 order by 2 desc, 1 limit 500 offset 24")],
    "errors: errors-over-time": errors_over_time,
    "issues: Since the start": issues,
    "timing: dispersion": dispersions,
    "transactions: From the due instant": lambda _: [[name, count, failed(count, good), requests / count, good / LASTED, *cells(lasted)] for name, count, good, requests, lasted in transactions()],
    "resources: facts": target_facts,
    "resources: What was seen": resources,
    "resources: cpu-over-time": over_time(("Host, all of it", "host", "cpu_cores"), ("Target", "(pid|command):.*", "cpu_cores"), ("Generator", "generator", "cpu_cores")),
    "resources: memory-over-time": over_time(("Resident memory of the target", "(pid|command):.*", "rss_bytes")),
    "errors: First and last": lambda _: [[kind, count, count / REQUESTS, float(first - FIRST), float(last - FIRST)] for kind, count, first, last in errors()],
    "requests: The slowest": slowest,
    "requests: The first failures": first_failures,
    "agreement: Same ids": lambda _: [[(collection, operation), *counts[:7]] for collection, operation, *counts in agreement()],
    "agreement: Recall is": lambda _: [[(found[0], found[1]), found[9], *found[10:]] for found in agreement() if found[9]],
    "agreement: recall-against-rate": recall_against_rate,
    "timing: inter-arrivals": gaps,
    "timing: Lateness is": lateness_table,
    "timing: Index of dispersion": dispersions,
    "timing: What the timing is judged by": checks,
}
for place, phase in enumerate(PHASES):
    facts, (both, kinds) = phase_facts(*phase), of_phase(phase[0])
    BLOCKS |= {f"phase-{place + 1}: facts": facts, f"phase-{place + 1}: Response and service time": both, f"phase-{place + 1}: Response time by": kinds}
# Parameters of fitted laws, which their own tests hold against published oracles; what takes the trace or a price besides the run; and what is text.
ELSEWHERE = ("capacity: Laws that", "capacity: Recorded peaks", "capacity: headroom", "capacity: nodes", "capacity: What follows", "agreement: The first differences", "resources: What happened")


def blocks():
    held = {}
    for name, _, shown in SHOWN:
        known = max((one for one in BLOCKS if name.startswith(one)), key=len, default=None)
        if known is None and name.startswith(ELSEWHERE):
            continue
        assert known, f"nobody recomputes the block {name!r}"
        wanted = BLOCKS[known](shown)
        assert len(wanted) == len(shown), f"{name}: {len(shown)} rows, not {len(wanted)}"
        for cells, figures in zip(shown, wanted):
            for cell, figure in zip(cells, figures, strict=True):
                assert holds(cell, figure), f"{name}: {cell} is not {figure} in {cells}"
                # What was taken from the page itself is no figure that is held; what is held has to be able to fail.
                if figure is not cell[0] and figure is not cell and (other := spoilt(cell)):
                    assert not holds(other, figure), f"{name}: {other} passes for {figure}, too"
                    held[known] = held.get(known, 0) + 1
        assert held.get(known) or INVALID, f"{name}: nothing is held"
    return held


# ---- findings.json: every number at or below these members ----


def breaking_point(told):
    """Every figure of the steps, but for that of the random walk."""
    begins = [(name, max(begin, DUE_FROM)) for name, begin, _ in PHASES]
    assert len(STEPS) != len(begins) or [(step["name"], step["from_ns"]) for step in STEPS] == begins, begins
    return {"steps": [{key: value for key, value in step.items() if key not in ("users",)} for step in levels_of("all")]}


def saturation(told):
    most = max((step for step in levels_of("all") if not step["spoilt"]), key=lambda step: step["goodput_per_s"])
    return {"per_s": most["goodput_per_s"], "ends": most["goodput_ends"], "step": most["name"], "from_ns": most["from_ns"], "to_ns": most["to_ns"]}


def first_errors(_):
    """The load of the first failures, and the first of them."""
    any_of, more = bracket("all", "no errors"), bracket("all", "errors ≤ 0.1 %")
    return {"first_failed_due_ns": any_of[1][3]["first_failed_ns"], "any": {"high": any_of[1][0], "judged": any_of[2]}, "more": {"high": more[1] and more[1][0], "judged": more[2]}}


def document():
    error_or = lambda named: row(f"select count(*) from o where sent_ns is null and {named}")[0]
    wanted = {
        "totals": {
            "requests": REQUESTS, "sent": SENT, "answered": ANSWERED, "ok": GOOD, "shed": SHED,
            "shed_by_generator": error_or("error in ('shed:max-queued-bytes', 'shed:descriptors')"),
            "unreplayable": error_or("error = 'unreplayable'"), "aborted": error_or("error = 'aborted'"), "unexplained": error_or("error is null"),
            "queued": row("select count(*) from o where sent_ns is not null and queued_ns > 0 and connect_ns is null")[0],
            "blocked": row("select count(*) from o where sent_ns is not null and blocked_ns > 0")[0],
            "items_ok": int(ITEMS or 0), "request_bytes": int(SENT_BYTES or 0), "response_bytes": int(GOT_BYTES or 0),
            "first_due_ns": DUE_FROM, "last_due_ns": DUE_TO, "first_sent_ns": SENT_FROM, "last_sent_ns": SENT_TO, "last_done_ns": DONE_TO,
        },
        "throughput": {
            "offered_per_s": per_s(REQUESTS, DUE_FROM, DUE_TO), "achieved_per_s": per_s(SENT, SENT_FROM, SENT_TO), "goodput_per_s": GOOD / LASTED,
            "items_per_s": float(ITEMS or 0) / LASTED, "request_bytes_per_s": float(SENT_BYTES or 0) / LASTED, "response_bytes_per_s": float(GOT_BYTES or 0) / LASTED,
            "variability": variability(),
        },
        "latency": {
            "overall": times("true"),
            "groups": [{"collection": c, "operation": o, "requests": n, "ok": good, **times(is_(collection=c, operation=o))} for (c, o), n, good in groups("collection", "operation")],
            "breakdown": [{"requests": n, "ok": good, **names, **times(is_(**names))} for found, n, good in groups("phase", "target", "collection", "operation")
                          for names in [dict(zip(("phase", "target", "collection", "operation"), found))]],
        },
        "connects": {
            "overall": distribution("connect_ns", "true"),
            "by_target": [{"target": target, "requests": n, "ok": good, "connect": distribution("connect_ns", is_(target=target))} for (target,), n, good in groups("target")],
            "first_half": distribution("connect_ns", f"due_ns <= ({DUE_FROM} + {DUE_TO}) // 2"),
            "second_half": distribution("connect_ns", f"due_ns > ({DUE_FROM} + {DUE_TO}) // 2"),
        },
        "transactions": [{"name": name, "count": count, "ok": good, "requests": n, "ok_per_s": good / LASTED, "duration": lasted} for name, count, good, n, lasted in transactions()],
        "errors": [{"kind": kind, "count": count, "first_ns": first, "last_ns": last} for kind, count, first, last in errors()],
        "agreement": {"groups": [dict(zip(["collection", "operation", "compared", *(match.replace("-", "_") for match in MATCHES), "recalls", "recall_mean", "recall_p10", "recall_min", "rank_correlation_mean"], found)) for found in agreement()]},
        "timing": {"lateness": lateness()},
    }
    if len(PHASES) > 1:
        wanted["phases"] = []
        for name, begin, end in PHASES:
            requests, good = row(f"select count(*), count(*) filter (ok) from o where {is_(phase=name)}")
            kinds = [{"collection": c, "operation": o, "requests": n, "ok": fine, **times(is_(phase=name, collection=c, operation=o))} for (c, o), n, fine in groups("collection", "operation", where=is_(phase=name))]
            wanted["phases"].append({"phase": name, "from_ns": begin, "to_ns": end, "requests": requests, "ok": good, "asked_per_s": asked_per_s(begin, end),
                                     "offered_per_s": requests * S / (end - begin), **times(is_(phase=name)), "groups": kinds})
    if FOUND["resources"]:
        names = ["count", "first", "last", "min", "mean", "p95", "max"]
        known = {(source, series): dict(zip(names, figures)) for source, series, _, *figures in readings()}
        wanted["resources"] = {"series": [{key: one[key] for key in ("source", "series", "unit")} | known[one["source"], one["series"]] for one in FOUND["resources"]["series"]]}
        assert len(known) == len(FOUND["resources"]["series"])
        if FOUND["resources"]["target_cpu"]:
            wanted["resources"]["target_cpu"] = {"sources": FOUND["resources"]["target_cpu"]["sources"], **target_cpu()}
    verdicts = {"recovery": lambda told: {"recoveries": recoveries()}, "outage": silence, "breaking-point": breaking_point, "saturation": saturation, "first-errors": first_errors}
    wanted["findings"] = [{"figures": verdicts[one["id"]](one["figures"])} if one["id"] in verdicts and one["figures"] else {} for one in FOUND["findings"]]
    if "warmup" in FOUND:
        wanted["warmup"] = {"until_ns": ASKED["warmup_ns"], "requests": row("select count(*) from everything where phase = 'warmup'")[0]}
    return wanted


def same(found, wanted, at=""):
    """Compares and counts the figures."""
    if isinstance(wanted, dict):
        missing = set(found) - set(wanted)
        assert at.count("/") < 2 or at.startswith("/findings/") or not missing, f"{at}: nobody recomputes {missing}"
        return sum(same(found[name], one, f"{at}/{name}") for name, one in wanted.items())
    if isinstance(wanted, list):
        assert len(found) == len(wanted), f"{at}: {len(found)} entries, not {len(wanted)}"
        return sum(same(*pair, f"{at}/{place}") for place, pair in enumerate(zip(found, wanted)))
    if isinstance(wanted, float) and found is not None:
        assert abs(found - wanted) <= 1e-9 * abs(wanted) + 1e-12, f"findings.json{at} is {found}, not {wanted}"
    else:
        assert found == wanted, f"findings.json{at} is {found}, not {wanted}"
    return 1


SHOWN = Page(open(f"{RUN}/report.html").read()).blocks
PAGE = {name: shown for name, _, shown in SHOWN}
HEADS = {name: heads for name, heads, _ in SHOWN}
HELD = blocks()
HELD["findings.json"] = same(FOUND, document())
for name in sys.argv[2:]:
    assert any(one.startswith(name) for one in HELD), f"the report has no block {name!r}"
for name, figures in HELD.items():
    print(f"{figures:7,} {name}")
