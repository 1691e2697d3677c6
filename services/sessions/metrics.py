"""The measures of the control plane."""

import warnings

from identity_core import metrics

REVOCATIONS = metrics.counter("gatehouse_sessions_revocations_total", "Revocations committed, by kind.", ("kind",))
CONFIRM = metrics.histogram(
    "gatehouse_sessions_confirm_seconds", "Seconds from the commit of a revocation until nobody accepts what it ended."
)
LEASE_AGE = metrics.gauge(
    "gatehouse_sessions_lease_age_seconds",
    "Seconds since the last complete check of Redis against the ledger began.",
    over_workers="livemax",
)
SWEPT = metrics.counter("gatehouse_sessions_swept_total", "Session rows closed by the sweeper, by reason.", ("reason",))
PURGED = metrics.counter("gatehouse_sessions_purged_total", "Rows removed after their retention, by kind.", ("kind",))
SWEEPS = metrics.counter("gatehouse_sessions_sweeps_total", "Runs of the sweeper, by outcome.", ("outcome",))
LIVE = metrics.gauge(
    "gatehouse_sessions_live", "Live sessions seen in the sweeper's last whole round.", over_workers="livemostrecent"
)
OLDEST_WRITER = metrics.gauge(
    "gatehouse_postgres_oldest_writer_seconds",
    "Age of the transaction that holds back the ledger's horizon, where it is older than a second.",
    ("pid", "application_name"),
    over_workers="livemax",
)


def show_oldest_writer(pid: int, application_name: str, seconds: float) -> None:
    """Name the one transaction that holds back the horizon; 0 seconds: nobody does."""
    with warnings.catch_warnings():
        # Several workers share files from which a label is never removed: there it falls to zero instead.
        warnings.simplefilter("ignore", UserWarning)
        for labels in list(_SHOWN):
            OLDEST_WRITER.labels(*labels).set(0)
        OLDEST_WRITER.clear()
    _SHOWN.clear()
    if seconds > 0:
        labels = (str(pid), application_name)
        _SHOWN.add(labels)
        OLDEST_WRITER.labels(*labels).set(seconds)


_SHOWN: set[tuple[str, str]] = set()
