# SPDX-License-Identifier: Apache-2.0
"""Where the application's code finds its metrics: from api.app.middleware import track_qc_score"""

from bacowr_metrics import (MetricsMiddleware, mount_metrics, set_active_jobs, set_batch_progress,
                            track_job_completion, track_llm_generation, track_qc_score)

__all__ = ["MetricsMiddleware", "mount_metrics", "set_active_jobs", "set_batch_progress",
           "track_job_completion", "track_llm_generation", "track_qc_score"]
