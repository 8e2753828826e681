"""What the tests of money share: calls, the books read from outside, and the prices worked out a second time, in fractions.

Nothing here asks the gateway what a call costs: rates and margins are the policy's text below, tokens are what the simulated
provider says, and the formula is docs/pricing.md's.
"""
import contextlib
import http.client
import json
import os
import socket
import sqlite3
import sys
from concurrent.futures import ThreadPoolExecutor
from decimal import Decimal
from fractions import Fraction

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
from tglib import Stack, wait_for

CHAT, EMBED = "/v1/chat/completions", "/v1/embeddings"

# As stored (model/usage.h, model/billing.h).
NONE, REPORTED, DRAINED, ESTIMATED, RECOVERED = range(5)
STREAM, INCONSISTENT, MALFORMED, CLIENT_GONE, BROKEN, EXPIRED = 1, 2, 4, 8, 16, 32
TENANT, CASH, REVENUE, COST, PAYABLE, ADJUSTMENTS, SLA = range(7)
T_DEPOSIT, T_ADJUSTMENT, T_CHARGE, T_OVERAGE, T_COST, T_REFUND, T_SLA = range(7)

# Per million tokens: input, cached input, output. The first pattern that fits counts, so the order is the policy's.
RATES = (("gpt-4o-mini", ("0.15", "0.075", "0.60")),
         ("text-embedding-3-small", ("0.02", "0.02", "0")),
         # Output alone: the dearest that a call can be is what it is, so that a balance for ten calls is for exactly ten.
         ("sim-slow-300", ("0", "0", "1000")),
         ("", ("0.333333333", "0.111111111", "7.777777777")))
MARGINS = {"free": "0.15", "growth": "0.25", "enterprise": "0.40"}
FACTORS = (("gpt-4o-mini", "1.2"), ("sim-long-200", "2"), ("text-embedding-3-small", "0.9"))


def policy(factor=1):
    """The text of a policy with all rates times `factor`."""
    costs = "".join(f'    - {{provider: sim, model: "{name or "*"}", input: {Decimal(i) * factor}, cached_input: {Decimal(c) * factor}, '
                    f"output: {Decimal(o) * factor}}}\n" for name, (i, c, o) in RATES)
    tiers = ", ".join(f"{tier}: {{margin: {m}}}" for tier, m in MARGINS.items())
    models = "".join(f'    - {{match: "{m}", factor: {f}}}\n' for m, f in FACTORS)
    return ("version: 1\nlimits:\n  global: {requests: unlimited}\n  tenant: {requests: unlimited}\n"
            "  key: {requests: unlimited, tokens: {tokens: unlimited}}\n  routes: {}\n"
            f"prices:\n  currency: USD\n  margin: {{min: 0.15, max: 0.50}}\n  tiers: {{{tiers}}}\n  models:\n{models}"
            f"  supply: {{pin: balanced}}\n  costs:\n{costs}")


def half_up(x):
    return (2 * x.numerator + x.denominator) // (2 * x.denominator)


def cost_and_price(model, tier, inputs, cached, output, factor=1):
    """In nano-units, each rounded once from the exact fraction."""
    rates = [Fraction(r) * factor for r in next(rates for name, rates in RATES if name in (model, ""))]
    # A rate is per million tokens and an amount is in billionths.
    cost = 1000 * (rates[0] * (inputs - cached) + rates[1] * cached + rates[2] * output)
    margin = Fraction(MARGINS[tier]) * Fraction(next((f for m, f in FACTORS if m == model), "1"))
    margin = min(max(margin, Fraction("0.15")), Fraction("0.50"))
    return half_up(cost), half_up(cost / (1 - margin))


def nano(text):
    return int(Decimal(text) * 10**9)


def decimal(nanos):
    return f"{Decimal(nanos) / 10**9:f}"


# ---- calls

def chat(model="gpt-4o-mini", stream=False, scenario=None, max_tokens=8, text="Hi", usage=True, **more):
    body = {"model": model, "messages": [{"role": "user", "content": text}], "max_tokens": max_tokens, **more}
    if stream:
        body["stream"] = True
        if usage:
            body["stream_options"] = {"include_usage": True}
    if scenario:
        body["user"] = scenario
    return json.dumps(body)


class Answer:
    """status 0: none came. complete: its end was seen, as the framing tells."""

    def __init__(self, status=0, headers=None, body=b"", complete=False):
        self.status, self.headers, self.body, self.complete = status, headers or {}, body, complete

    def json(self):
        return json.loads(self.body)

    @property
    def id(self):
        return self.headers.get("x-request-id", "")

    @property
    def code(self):
        return self.json()["error"]["code"]

    def usage(self):
        """The last report that the client could see."""
        if not self.body.startswith(b"data:"):
            return self.json()["usage"]
        events = [e[6:] for e in self.body.decode().split("\n\n") if e.startswith("data: {")]
        return [u for u in (json.loads(e).get("usage") for e in events) if u][-1]

    def __repr__(self):
        return f"{self.status} {'whole' if self.complete else 'cut'} {self.headers} {self.body[-200:]!r}"


class Bench(Stack):
    """A stack with the policy above, and its books in reach."""

    def __init__(self, *sim_flags, extra="", before_start=None):
        super().__init__()
        self.start_sim("--chunks", "8", *sim_flags)
        self.extra = extra
        if before_start:
            before_start(self)
        self.start_gateway(extra)
        self.apply_policy(policy())
        self.tiers = {}

    def tenant(self, name, deposit="1000", tier="free"):
        """A tenant with a key; the key's text."""
        status, got = self.admin("POST", "/admin/v1/tenants", {"id": name, "name": name, "tier": tier})
        assert status == 201, got
        self.tiers[name] = tier
        if nano(deposit):
            status, got = self.admin("POST", f"/admin/v1/accounts/{name}/deposits", {"amount": deposit})
            assert status == 201, got
        status, got = self.admin("POST", "/admin/v1/keys", {"tenant": name, "name": "test"})
        assert status == 201, got
        return got["key"]

    def call(self, key, body, path=CHAT, timeout=30, **headers):
        c = http.client.HTTPConnection(self.host, self.port, timeout=timeout)
        answer = Answer()
        try:
            c.request("POST", path, body, {"Authorization": "Bearer " + key, "Content-Type": "application/json",
                                           **{k.replace("_", "-"): v for k, v in headers.items()}})
            r = c.getresponse()
            answer = Answer(r.status, {k.lower(): v for k, v in r.getheaders()})
            answer.body = r.read()
            answer.complete = True
        except http.client.IncompleteRead as e:
            answer.body = e.partial
        except (OSError, http.client.HTTPException):
            pass
        finally:
            c.close()
        return answer

    def cut_call(self, key, body, after, linger=False):
        """Reads `after` bytes of the answer, head included, and hangs up; the bytes. linger: closes without a reset."""
        raw = (f"POST {CHAT} HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer {key}\r\nContent-Type: application/json\r\n"
               f"Connection: close\r\nContent-Length: {len(body)}\r\n\r\n{body}").encode()
        got = b""
        with socket.create_connection((self.host, self.port), timeout=30) as c:
            c.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            c.sendall(raw)
            while len(got) < after:
                piece = c.recv(after - len(got))
                if not piece:
                    break
                got += piece
            if linger:
                c.shutdown(socket.SHUT_WR)
        return got

    def calls(self, jobs, threads=16):
        """jobs: argument tuples of call(); their answers in order."""
        with ThreadPoolExecutor(threads) as pool:
            return list(pool.map(lambda j: self.call(*j), jobs))

    def sim_body(self, body):
        """What the provider itself answers: the recorded answer that the tests cut up."""
        c = http.client.HTTPConnection("127.0.0.1", self.sim_port, timeout=30)
        c.request("POST", CHAT, body, {"Content-Type": "application/json"})
        return c.getresponse().read()

    # ---- the books
    @contextlib.contextmanager
    def books(self):
        db = sqlite3.connect(f"file:{self.dir}/state/books.db?mode=ro", uri=True, timeout=10)
        db.row_factory = sqlite3.Row
        try:
            yield db
        finally:
            db.close()

    def rows(self, sql, *args):
        with self.books() as db:
            return db.execute(sql, args).fetchall()

    def last_id(self):
        return self.rows("SELECT coalesce(max(id), 0) FROM usage")[0][0]

    def record(self, request_id):
        """The one record of a request; None. More than one can't be by the schema, and is looked for all the same."""
        rows = self.rows("SELECT * FROM usage WHERE request_id = ?", bytes.fromhex(request_id[4:]))
        assert len(rows) <= 1, request_id
        return rows[0] if rows else None

    def transfers_of(self, record):
        return {r["kind"]: r for r in self.rows("SELECT * FROM transfers WHERE usage_id = ?", record["id"])}

    def account(self, tenant):
        status, got = self.admin("GET", f"/admin/v1/accounts/{tenant}")
        assert status == 200, got
        return {k: nano(v) if k in ("balance", "held", "available", "credit_line") else v for k, v in got.items()}

    def booked_balance(self, kind, name=None):
        """What the transfers say; without a name: of the one account of that kind."""
        sql = ("SELECT coalesce(sum(CASE WHEN credit = a.id THEN amount_nano ELSE -amount_nano END), 0) FROM accounts a"
               " JOIN transfers t ON a.id IN (t.credit, t.debit) WHERE a.kind = ? AND a.name = coalesce(?, a.name)")
        return self.rows(sql, kind, name)[0][0]

    def settled(self):
        """Waits until no call is under way."""
        wait_for("no hold open", lambda: self.admin("GET", "/admin/v1/bills/holds")[1]["holds"] == [], 60)

    def recorded(self, after_id, n=1):
        """Waits until n calls have got their records: one whose client went at once may not have begun yet."""
        wait_for(f"{n} records", lambda: self.rows("SELECT count(*) AS n FROM usage WHERE id > ?", after_id)[0]["n"] >= n, 60)
        self.settled()

    # ---- checks
    def price_faults(self, after_id=0, factor=1):
        """What is wrong with the amounts of the records after one, in words."""
        faults = []
        sql = ("SELECT u.*, a.name AS tenant, r.model FROM usage u JOIN accounts a ON a.id = u.account_id"
               " LEFT JOIN price_rules r ON r.id = u.rule_id WHERE u.id > ?")
        moved = {}
        for t in self.rows("SELECT usage_id, kind, amount_nano FROM transfers WHERE kind IN (2, 3, 4) AND usage_id > ?", after_id):
            moved.setdefault(t["usage_id"], {})[t["kind"]] = t["amount_nano"]
        for r in self.rows(sql, after_id):
            want = (0, 0) if r["source"] == NONE else cost_and_price(r["model"], self.tiers[r["tenant"]], r["input_tokens"],
                                                                     r["cached_input_tokens"], r["output_tokens"], factor)
            got = (r["cost_nano"], r["price_nano"])
            t = moved.pop(r["id"], {})
            charge = {T_CHARGE: min(want[1], r["hold_nano"]), T_OVERAGE: max(want[1] - r["hold_nano"], 0), T_COST: want[0]}
            if got != want or t != {k: v for k, v in charge.items() if v}:
                faults.append(f"record {r['id']} {r['model']}: {got}, transfers {t}; want {want}, {charge}")
        return faults + [f"transfers of no record: {moved}"] * bool(moved)

    def sum_faults(self):
        """Every account's balance against its transfers, and all of them against zero."""
        self.settled()
        faults, total = [], 0
        for a in self.rows("SELECT * FROM accounts"):
            booked = self.booked_balance(a["kind"], a["name"])
            total += booked
            if a["kind"] == TENANT:
                shown = self.account(a["name"])
                if (shown["balance"], shown["held"]) != (booked, 0):
                    faults.append(f"{a['name']}: shown {shown}, booked {booked}")
        return faults + ([f"all accounts together: {total}"] if total else [])
