/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Engine: see engine.h
 */
#include "lib/engine.h"

#include "base/err.h"
#include "lib/guard.h"
#include "lib/page.h"

struct bacowr_config engine_config(void)
{
    return (struct bacowr_config){
        .n_workers = 1,
        .hash_seed = 0x5eed,
        .statsd = statsd_default_options(),
    };
}

void engine_init(struct engine *e, const struct bacowr_config *config, const char *mapping)
{
    struct bacowr_config standard = engine_config();

    *e = (struct engine){0};
    must(bacowr_new(&e->b, config != NULL ? config : &standard) == 0);
    if (mapping != NULL)
        engine_map(e, mapping);
}

void engine_release(struct engine *e)
{
    bacowr_free(e->b);
    buf_release(&e->page);
    buf_release(&e->text);
}

void engine_map(struct engine *e, const char *mapping)
{
    struct err err = {0};
    int r = bacowr_load_mapping(e->b, "test.yml", slice_str(mapping), NULL, NULL, &err);

    if (r != 0)
        ck_abort_msg("%u:%u: %s", err.line, err.column, err.text);
}

void engine_feed_to(struct engine *e, unsigned worker, struct bacowr_datagram datagram)
{
    const char *p = guard_copy(datagram.p, datagram.len);
    size_t len = datagram.len;

    datagram.p = p;
    bacowr_feed(bacowr_worker(e->b, worker), &datagram, 1, e->now_ms);
    guard_free(p, len);
}

void engine_feed_slice(struct engine *e, struct slice text)
{
    engine_feed_to(e, 0, (struct bacowr_datagram){.p = text.p, .len = text.len});
}

void engine_feed(struct engine *e, const char *text)
{
    engine_feed_slice(e, slice_str(text));
}

void engine_pass(struct engine *e, int64_t ms)
{
    for (int64_t passed = 0; passed < ms; passed += 100) {
        e->now_ms += ms - passed < 100 ? ms - passed : 100;
        bacowr_tick(e->b, e->now_ms);
    }
}

void engine_check_page(struct slice page)
{
    unsigned line;
    const char *broken = page_broken(page, &line);

    if (broken != NULL)
        ck_abort_msg("line %u breaks \"%s\" in\n%.*s", line, broken,
                     (int)(page.len < 4000 ? page.len : 4000), page.p);
}

struct bacowr_scrape *engine_begin(struct engine *e, const char *accept)
{
    struct bacowr_scrape *s;

    must(bacowr_scrape_new(&s, e->b, bacowr_format_for(e->b, slice_str(accept)), NULL, 0,
                           e->now_ms) == 0);
    return s;
}

/* All of a page, in slices of @want bytes, in @e->page. */
static void scrape(struct engine *e, const char *accept, unsigned want)
{
    struct bacowr_scrape *s = engine_begin(e, accept);
    int more = 1;

    buf_clear(&e->page);
    while (more == 1)
        more = bacowr_scrape_next(s, &e->page, want);
    bacowr_scrape_free(s);
    must(more == 0);
}

struct slice engine_page(struct engine *e, const char *accept)
{
    scrape(e, accept, 1);
    buf_add_byte(&e->page, '\0');
    must(!e->page.failed);
    return slice_of(e->page.p, e->page.len - 1);
}

struct slice engine_scrape(struct engine *e)
{
    scrape(e, "", 65536);
    engine_check_page(buf_slice(&e->page));
    return buf_slice(&e->page);
}

double engine_value(struct engine *e, const char *series)
{
    double v;

    page_value(engine_scrape(e), series, &v);
    return v;
}

static const char *told(struct engine *e, void (*tell)(struct slice page, struct buf *out))
{
    struct slice page = engine_scrape(e);

    buf_clear(&e->text);
    tell(page, &e->text);
    buf_add_byte(&e->text, '\0');
    must(!e->text.failed);
    return e->text.p;
}

const char *engine_series(struct engine *e)
{
    return told(e, page_add_series);
}

const char *engine_counts(struct engine *e)
{
    return told(e, page_add_counts);
}
