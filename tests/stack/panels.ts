// SPDX-License-Identifier: Apache-2.0
//
// What a dashboard is made of, in Grafana's own types. test_dashboard_schema.py makes a JSON Schema of
// it; a kind of panel that is used for the first time gets a line here.

import type { Dashboard } from "@grafana/schema/dist/esm/raw/dashboard/x/dashboard_types.gen";
import type * as bargauge from "@grafana/schema/dist/esm/raw/composable/bargauge/panelcfg/x/BarGaugePanelCfg_types.gen";
import type * as stat from "@grafana/schema/dist/esm/raw/composable/stat/panelcfg/x/StatPanelCfg_types.gen";
import type * as timeseries from "@grafana/schema/dist/esm/raw/composable/timeseries/panelcfg/x/TimeSeriesPanelCfg_types.gen";

interface Nothing {}

export interface Checked {
  dashboard: Dashboard;
  bargauge: { options: bargauge.Options; custom?: Nothing };
  stat: { options: stat.Options; custom?: Nothing };
  timeseries: { options: timeseries.Options; custom: timeseries.FieldConfig };
}
