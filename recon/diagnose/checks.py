"""What a diagnosis found: checks, the risk that a run times out, and what to do about it."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

from recon.core.errors import ExitCode, document
from recon.core.suggestions import RECON, Advice, Program

OK, WARN, FAIL, SKIP = "ok", "warn", "fail", "skip"
RISKS = {
    "query_simple": 3,
    "query_moderate": 2,
    "query_complex": 2,
    "concurrency": 2,
    "latency": 2,
    "latency_high": 1,
    "memory": 1,
    "long_queries": 1,
}
"""Points that each check adds where it does not pass; 14 in all."""
AT_LEAST = {
    *("concurrency", "headroom", "write_probe", "memory", "connect_timeout", "statement_timeout", "lock_timeout"),
    *("idle_in_transaction_session_timeout", "idle_session_timeout", "transaction_timeout"),
}
"""Checks whose value should not be below their threshold; that of the others should not be above it."""
HIGH, MODERATE = 8, 4
HIGH_LATENCY_MS = 1000.0
NAGIOS = {OK: (0, "OK"), WARN: (1, "WARNING"), FAIL: (2, "CRITICAL"), SKIP: (3, "UNKNOWN")}


@dataclass(frozen=True)
class Check:
    """One check: its value with unit against a threshold, a detail, and advice that can be pasted.

    status: ok | warn | fail | skip (detail then says why).
    """

    name: str
    status: str
    value: float | None = None
    unit: str = ""
    threshold: float | None = None
    detail: str = ""
    advice: Advice = ""

    def to_dict(self, program: Program = RECON) -> dict[str, Any]:
        """One entry of `checks`."""
        return {**vars(self), "advice": program.render(self.advice)}


@dataclass(frozen=True)
class Diagnosis:
    """All checks of one look at a server; connected says whether any connection could be made."""

    command: str
    checks: tuple[Check, ...]
    connected: bool = True

    def with_status(self, *statuses: str) -> list[Check]:
        """The checks of these statuses, in order."""
        return [check for check in self.checks if check.status in statuses]

    @property
    def risk(self) -> int:
        """How likely a run is to time out here, out of 14."""
        return sum(points for name, points in RISKS.items() if self._adds_risk(name))

    def _adds_risk(self, name: str) -> bool:
        by_name = {check.name: check for check in self.checks}
        if name == "latency_high":
            latency = by_name.get("latency")
            return latency is not None and (latency.value or 0) > HIGH_LATENCY_MS
        check = by_name.get(name)
        worst = (WARN, FAIL) if name in ("memory", "long_queries") else (FAIL,)
        return check is not None and check.status in worst

    @property
    def most_risk(self) -> int:
        """The points of everything at once."""
        return sum(RISKS.values())

    @property
    def level(self) -> str:
        """high from 8 points on, moderate from 4 on or where any check failed, else low."""
        if self.risk >= HIGH:
            return "high"
        return "moderate" if self.risk >= MODERATE or self.with_status(FAIL) else "low"

    @property
    def most_urgent(self) -> list[Check]:
        """All checks: what failed, what may fail, and the others, each in their order."""
        return [*self.with_status(FAIL), *self.with_status(WARN), *self.with_status(OK, SKIP)]

    @property
    def exit_code(self) -> ExitCode:
        """0 no check failed, 1 one did, 3 no connection could be made."""
        if not self.connected:
            return ExitCode.DATABASE
        return ExitCode.DIFFERENCES if self.with_status(FAIL) else ExitCode.OK

    @property
    def recommendations(self) -> list[Advice]:
        """The advice of what failed, then of what may, then of what only costs time; each once."""
        advice = (check.advice for status in (FAIL, WARN, OK) for check in self.with_status(status))
        return list(dict.fromkeys(filter(None, advice)))

    def to_dict(self, program: Program = RECON) -> dict[str, Any]:
        """The JSON document of `recon diagnose`. program: what suggested commands begin with."""
        return {
            **document(self.command),
            "connected": self.connected,
            "checks": [check.to_dict(program) for check in self.checks],
            "risk": {"score": self.risk, "max": self.most_risk, "level": self.level},
            "recommendations": [program.render(advice) for advice in self.recommendations],
        }

    def nagios(self) -> tuple[int, str]:
        """Exit code and the one line a monitoring plugin prints: state, what is wrong, and the figures."""
        state = SKIP if not self.connected else next((s for s in (FAIL, WARN) if self.with_status(s)), OK)
        code, word = NAGIOS[state]
        bad = self.with_status(FAIL) or self.with_status(WARN)
        said = "; ".join(f"{c.name}: {c.detail}" for c in bad) or f"risk {self.risk} of {self.most_risk}"
        return code, f"RECON {word} - {said.replace('|', '/')} | {perfdata(self.checks)}".replace("\n", " ")


def perfdata(checks: Iterable[Check]) -> str:
    """`'name'=value[unit];range` of every check that has a value; a range `5:` asks for 5 or more.

    >>> perfdata([Check("latency", "ok", 1.25, "ms", 100), Check("headroom", "ok", 96, "", 5)])
    "'latency'=1.25ms;100 'headroom'=96;5:"
    """
    units = {"ms": "ms", "s": "s", "%": "%", "B": "B"}
    return " ".join(
        f"'{check.name}'={check.value:.6g}{units.get(check.unit, '')}"
        + ("" if check.threshold is None else f";{check.threshold:.6g}{':' if check.name in AT_LEAST else ''}")
        for check in checks
        if check.value is not None
    )


def quantile(values: Sequence[float], share: float) -> float:
    """The smallest of the values that at least this share of them does not exceed.

    >>> [quantile([3.0, 1.0, 2.0], share) for share in (0.5, 0.95)]
    [2.0, 3.0]
    """
    ordered = sorted(values)
    return ordered[min(len(ordered) - 1, max(0, -(-int(share * 100) * len(ordered) // 100) - 1))]


def slowest_nodes(plan: dict[str, Any], most: int = 3) -> list[tuple[str, float]]:
    """The nodes of an EXPLAIN (ANALYZE, FORMAT JSON) plan that took longest by themselves: (what, ms)."""
    nodes: list[tuple[str, float]] = []

    def visit(node: dict[str, Any]) -> float:
        total = float(node.get("Actual Total Time", 0.0)) * float(node.get("Actual Loops", 1))
        inner = sum(visit(child) for child in node.get("Plans", []))
        where = node.get("Relation Name") or node.get("Index Name") or ""
        blocks = int(node.get("Shared Read Blocks", 0))
        what = f"{node['Node Type']} {where}".strip() + (f" ({blocks:,} blocks from disk)" if blocks else "")
        nodes.append((what, max(0.0, total - inner)))
        return total

    visit(plan)
    return sorted(nodes, key=lambda node: -node[1])[:most]
