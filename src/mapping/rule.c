/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Rule: where one stands, and the defaults of the library
 *
 * What a rule points to lies on a shelf or is static, so there is nothing to be copied or freed
 * here: a struct may be copied as it is.
 *
 * Law: the numbers here are the ones statsd_exporter documents. Who changes one changes what a
 *      mapping file means that leaves the key out.
 */
#include "mapping/rule.h"

#include <stdio.h>
#include <string.h>

void mapping_rule_place(const struct mapping_rule *rule, unsigned line,
                        const struct mapping_rule *about, char out[MAPPING_PLACE_MAX])
{
    bool here = about != NULL && about->file != NULL && rule->file != NULL &&
                strcmp(rule->file, about->file) == 0;

    if (rule->file == NULL || here)
        snprintf(out, MAPPING_PLACE_MAX, "line %u", line);
    else
        snprintf(out, MAPPING_PLACE_MAX, "line %u of %.255s", line, rule->file);
}

void mapping_defaults_init(struct mapping_defaults *defaults)
{
    static const double buckets[] = {.005, .01, .025, .05, .1, .25, .5, 1, 2.5, 5, 10};
    static const struct mapping_quantile quantiles[] = {{.5, .05}, {.9, .01}, {.99, .001}};

    *defaults = (struct mapping_defaults){
        .set_window_ns = INT64_C(60000000000),
        .set_error = 0.01625, /* 4096 registers */
        .observer =
            {
                .type = MAPPING_SUMMARY,
                .n_buckets = sizeof(buckets) / sizeof(buckets[0]),
                .buckets = buckets,
                .native_factor = 1.1,
                .native_max_buckets = 256,
                .n_quantiles = sizeof(quantiles) / sizeof(quantiles[0]),
                .quantiles = quantiles,
                .max_age_ns = INT64_C(600000000000),
                .age_buckets = 5,
            },
    };
}
