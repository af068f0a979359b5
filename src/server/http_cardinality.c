/* SPDX-License-Identifier: Apache-2.0 */
/*
 * HTTP cardinality: /api/v1/cardinality, a document in JSON
 *
 *      turn: begin --> turn: some thousands of series --> ... --> all looked at: answered as one
 *                `-- fails: 503
 *
 * Looking at a million series takes a tenth of a second, so it is done in turns, and scrapes and
 * probes are answered in between. A connection that ends meanwhile ends it.
 *
 * Laws: what is told are names of metrics and labels and numbers, as on the metrics page; no value
 *       of a label, and nothing of the request.
 */
#include "server/http_conn.h"

#include "bacowr/cardinality.h"
#include "base/json.h"

#define SERIES_A_TURN 4096

void http_cardinality_end(struct http_conn *c)
{
    bacowr_cardinality_free(c->cardinality);
    c->cardinality = NULL;
}

static void answer(struct http_conn *c)
{
    struct buf out = {0};
    struct json j = json_writer(&out);
    int r;

    json_object(&j, NULL);
    r = bacowr_cardinality_tell(c->cardinality, &j);
    json_end_object(&j);
    buf_add_byte(&out, '\n');
    http_cardinality_end(c);
    if (r != 0 || out.failed)
        http_conn_answer_status(c, 503, NULL);
    else
        http_conn_answer(c, &(struct http_answer){
                                .status = 200,
                                .type = "application/json",
                                .headers = "Cache-Control: no-store\r\n",
                                .body = buf_slice(&out),
                            });
    buf_release(&out);
}

static void look(struct http_conn *c)
{
    if (bacowr_cardinality_next(c->cardinality, SERIES_A_TURN))
        http_turn_ask(c, look);
    else
        answer(c);
}

static void begin(struct http_conn *c)
{
    const struct http_config *config = &c->http->config;

    if (config->cardinality(config->ctx, &c->cardinality) != 0)
        http_conn_answer_status(c, 503, NULL);
    else
        http_turn_ask(c, look);
}

void http_cardinality_begin(struct http_conn *c)
{
    http_turn_ask(c, begin);
}
