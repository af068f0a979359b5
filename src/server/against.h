/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Against: the document of identities, from a server or a file, into a comparison
 */
#ifndef SERVER_AGAINST_H
#define SERVER_AGAINST_H

#include "base/err.h"
#include "bacowr/shadow.h"

/*
 * Feed @s with what @source has to tell and have it judge: "http://HOST:PORT", "https://..." or
 * "unix:PATH" is a server that is asked, as the client configuration @http_config says (NULL:
 * none); anything else a file that one's answer was saved to, "-" the standard input. Blocking.
 * Warnings go to @on_warning. 0; or a negative errno with @e filled.
 */
int against_read(struct bacowr_shadow *s, const char *source, const char *http_config,
                 err_fn on_warning, struct err *e);

#endif
