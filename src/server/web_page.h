/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Web page: the files of src/web in one, as src/web/embed.py writes them at build time
 */
#ifndef SERVER_WEB_PAGE_H
#define SERVER_WEB_PAGE_H

#include <stddef.h>

/* HTML with {{telemetry_path}} and {{version}} in it. */
extern const char web_page[];
extern const size_t web_page_len;

/* Of a Content-Security-Policy that lets its own style and script run, and no others: sources. */
extern const char web_page_style_hash[], web_page_script_hash[];

#endif
