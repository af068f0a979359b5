# SPDX-License-Identifier: Apache-2.0
"""The metrics of BACOWR, sent as StatsD lines to bacowr-statsd.

Five functions report what the application did, `MetricsMiddleware` measures its HTTP requests, and
`mount_metrics` hands the aggregator's page through at /metrics. Only the standard library is used.

Laws: nothing here raises in the application, waits for the network, or fills its memory. What
cannot be sent is dropped and counted: `stats()`.
"""

from bacowr_metrics.client import (Client, default_client, flush, set_active_jobs,
                                   set_batch_progress, stats, track_job_completion,
                                   track_llm_generation, track_qc_score)
from bacowr_metrics.middleware import MetricsMiddleware
from bacowr_metrics.page import MetricsPage, mount_metrics
from bacowr_metrics.settings import Settings

__all__ = ["Client", "MetricsMiddleware", "MetricsPage", "Settings", "default_client", "flush",
           "mount_metrics", "set_active_jobs", "set_batch_progress", "stats",
           "track_job_completion", "track_llm_generation", "track_qc_score"]
