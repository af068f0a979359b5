// SPDX-License-Identifier: Apache-2.0
//
// A dashboard out of Grafana's own components: each panel of /data.json with the series in it.
//
// Grafana's panel plugins would choose the components, so that is done here: a kind of panel is a
// line in PANELS. Units, thresholds, colours, legends and reductions are Grafana's.

import {
  applyFieldOverrides, createTheme, dateTime, displayNameOverrideProcessor,
  FieldConfigOptionsRegistry, FieldType, getDisplayValueAlignmentFactors, getFieldDisplayValues,
  identityOverrideProcessor, numberOverrideProcessor, ThemeContext, thresholdsOverrideProcessor,
  toDataFrame, unitOverrideProcessor, valueMappingsOverrideProcessor,
} from "@grafana/data";
import {
  BarGauge, BigValue, GlobalStyles, PanelChrome, TimeSeries, VizRepeater,
} from "@grafana/ui";
import { useEffect } from "react";
import { createRoot } from "react-dom/client";

import "uplot/dist/uPlot.min.css";

const theme = createTheme({ colors: { mode: "dark" } });
const GRID = { columns: 24, row: 30, gap: 8 };
const HEAD = 56;
const asIs = (text) => text;

// ---- fields ----

// A property of a field that is not in the registry is dropped in silence, so all are.
const STANDARD = {
  color: identityOverrideProcessor,
  decimals: numberOverrideProcessor,
  displayName: displayNameOverrideProcessor,
  mappings: valueMappingsOverrideProcessor,
  max: numberOverrideProcessor,
  min: numberOverrideProcessor,
  noValue: identityOverrideProcessor,
  thresholds: thresholdsOverrideProcessor,
  unit: unitOverrideProcessor,
};

function property(id, path, process, isCustom) {
  return { id, path, name: path, isCustom, process, override: process, shouldApply: () => true,
    editor: () => null, settings: {} };
}

function registry({ defaults, overrides }) {
  const custom = new Set(Object.keys(defaults.custom ?? {}));
  for (const { properties } of overrides) {
    for (const { id } of properties) {
      if (id.startsWith("custom.")) custom.add(id.slice("custom.".length));
    }
  }
  return new FieldConfigOptionsRegistry(() => [
    ...Object.entries(STANDARD).map(([id, process]) => property(id, id, process, false)),
    ...[...custom].map((id) => property(`custom.${id}`, id, identityOverrideProcessor, true)),
  ]);
}

function fields(panel) {
  return applyFieldOverrides({
    data: panel.frames.map(({ name, refId, times, values }) => toDataFrame({
      name,
      refId,
      fields: [
        { name: "Time", type: FieldType.time, values: times, config: {} },
        { name: "Value", type: FieldType.number, values, config: { displayNameFromDS: name } },
      ],
    })),
    fieldConfig: panel.fieldConfig,
    fieldConfigRegistry: registry(panel.fieldConfig),
    replaceVariables: asIs,
    theme,
    timeZone: "utc",
  });
}

// ---- kinds of panels ----

function Lines({ panel, range, width, height }) {
  return (
    <TimeSeries frames={fields(panel)} timeRange={range} timeZone="utc" structureRev={1}
      legend={panel.options.legend} options={panel.options} width={width} height={height} />
  );
}

function displayed(panel, sparkline) {
  return getFieldDisplayValues({ data: fields(panel), fieldConfig: panel.fieldConfig, sparkline,
    reduceOptions: panel.options.reduceOptions, replaceVariables: asIs, theme, timeZone: "utc" });
}

function Stat({ panel, width, height }) {
  const { colorMode, graphMode, justifyMode, textMode, wideLayout } = panel.options;
  const [{ display, sparkline }] = displayed(panel, graphMode !== "none");
  return (
    <BigValue value={display} sparkline={sparkline} theme={theme} width={width} height={height}
      colorMode={colorMode} graphMode={graphMode} justifyMode={justifyMode} textMode={textMode}
      wideLayout={wideLayout} />
  );
}

// The sizes that a panel states count only when it says "manual".
const AUTO_SIZING = { minVizWidth: 8, minVizHeight: 16, maxVizHeight: 300 };

function Bars({ panel, width, height }) {
  const { displayMode, namePlacement, orientation, showUnfilled, text, valueMode } = panel.options;
  const { minVizWidth, minVizHeight, maxVizHeight } =
    panel.options.sizing === "manual" ? panel.options : AUTO_SIZING;
  const bar = ({ value: { display, field }, ...size }) => (
    <BarGauge value={display} field={field} display={field.display} theme={theme} itemSpacing={8}
      lcdCellWidth={12} width={size.width} height={size.height} orientation={size.orientation}
      alignmentFactors={size.alignmentFactors} displayMode={displayMode} showUnfilled={showUnfilled}
      valueDisplayMode={valueMode} namePlacement={namePlacement} text={text} />
  );
  return (
    <VizRepeater source={panel} getValues={() => displayed(panel, false)} renderValue={bar}
      getAlignmentFactors={getDisplayValueAlignmentFactors} renderCounter={0}
      orientation={orientation}
      minVizHeight={minVizHeight} maxVizHeight={maxVizHeight} minVizWidth={minVizWidth}
      itemSpacing={8} autoGrid={false} width={width} height={height} />
  );
}

const PANELS = { timeseries: Lines, stat: Stat, bargauge: Bars };

function Nothing({ panel, height }) {
  const style = { height, display: "flex", alignItems: "center", justifyContent: "center",
    color: theme.colors.text.secondary };
  return <div style={style}>{panel.fieldConfig.defaults.noValue ?? "No data"}</div>;
}

// ---- the dashboard ----

function place({ x, y, w, h }, width) {
  const column = (width - GRID.gap) / GRID.columns;
  return { left: GRID.gap + x * column, top: HEAD + y * (GRID.row + GRID.gap),
    width: w * column - GRID.gap, height: h * (GRID.row + GRID.gap) - GRID.gap };
}

function Panel({ panel, range, page }) {
  const box = place(panel.gridPos, page.width);
  const style = { position: "absolute", ...box };
  if (panel.type === "row") {
    return <h6 style={{ ...style, margin: 0, lineHeight: `${box.height}px` }}>⌄ {panel.title}</h6>;
  }
  const Kind = panel.frames.length > 0 ? PANELS[panel.type] : Nothing;
  if (!Kind) throw new Error(`app.jsx draws no ${panel.type}`);
  return (
    <div style={style}>
      <PanelChrome title={panel.title} description={panel.description} width={box.width}
        height={box.height} padding="sm">
        {(width, height) => <Kind panel={panel} range={range} width={width} height={height} />}
      </PanelChrome>
    </div>
  );
}

function Variable({ name }) {
  const box = { background: theme.colors.background.secondary, padding: "5px 8px",
    border: `1px solid ${theme.colors.border.medium}`, borderRadius: 2, marginLeft: 8 };
  return <span style={box}>{name} <b style={{ fontWeight: 400, opacity: 0.7 }}>All</b></span>;
}

function Dashboard({ page }) {
  const range = { from: dateTime(page.from), to: dateTime(page.to),
    raw: { from: "now-1h", to: "now" } };
  const bottom = Math.max(...page.panels.map(({ gridPos }) => {
    const { top, height } = place(gridPos, page.width);
    return top + height;
  }));
  // Two frames later the canvases are filled.
  useEffect(() => {
    requestAnimationFrame(() => requestAnimationFrame(() => {
      document.getElementById("app").dataset.drawn = "yes";
    }));
  }, []);
  return (
    <ThemeContext.Provider value={theme}>
      <GlobalStyles />
      <div style={{ position: "relative", width: page.width, height: bottom + GRID.gap,
        background: theme.colors.background.canvas }}>
        <header style={{ display: "flex", alignItems: "center", height: HEAD, padding: "0 12px" }}>
          <h4 style={{ margin: "0 12px 0 0" }}>{page.title}</h4>
          {page.variables.map((name) => <Variable key={name} name={name} />)}
        </header>
        {page.panels.map((panel) => (
          <Panel key={panel.id} panel={panel} range={range} page={page} />
        ))}
      </div>
    </ThemeContext.Provider>
  );
}

async function main() {
  const page = await (await fetch("/data.json")).json();
  document.getElementById("app").style.width = `${page.width}px`;
  createRoot(document.getElementById("app")).render(<Dashboard page={page} />);
}

main();
