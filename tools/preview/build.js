// SPDX-License-Identifier: Apache-2.0
//
// The page's script, in one file.

import { build } from "esbuild";

await build({
  entryPoints: ["app.jsx"],
  bundle: true,
  outfile: "app.js",
  jsx: "automatic",
  minify: true,
  logLevel: "error",
  define: { "process.env.NODE_ENV": '"production"', global: "window" },
  loader: { ".svg": "dataurl", ".woff2": "empty", ".woff": "empty", ".ttf": "empty" },
});
