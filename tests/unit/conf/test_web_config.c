/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Unit tests: web_config
 *
 * What a file says is what is read of it; what is wrong has its place. Certificates and bcrypt are
 * tested on the real binary.
 */
#include "conf/web_config.h"

#include <errno.h>
#include <string.h>

#include "lib/unit.h"

#define HASH "$2y$04$abcdefghijklmnopqrstuu2r9OfJnfCsdneAXAGHnS4UpFFP8WIrW"
#define TLS  "tls_server_config: {cert_file: c, key_file: k"

static struct err err;

static void count(void *ctx, const struct err *e)
{
    ck_assert_str_ne(e->text, "");
    ++*(unsigned *)ctx;
}

static struct web_config *good(const char *text)
{
    struct web_config *c = NULL;
    int r = web_config_new(&c, "etc/web.yml", slice_str(text), NULL, NULL, &err);

    ck_assert_msg(r == 0, "%s: %s", text, err.text);
    return c;
}

/* Paths begin in the file's folder; versions and suites say what is spoken, in OpenSSL's words. */
START_TEST(test_web_config_tls)
{
    struct web_config *c =
        good(TLS ", client_ca_file: /ca, client_auth_type: VerifyClientCertIfGiven,"
                 "client_allowed_sans: [a, 10.0.0.1], max_version: TLS12,"
                 "cipher_suites: [TLS_ECDHE_RSA_WITH_AES_128_GCM_SHA256,"
                 "TLS_AES_128_GCM_SHA256], curve_preferences: [CurveP384, X25519],"
                 "prefer_server_cipher_suites: false}");

    ck_assert(c->has_tls && c->tls12 && !c->tls13 && !c->prefer_server_ciphers);
    ck_assert_str_eq(c->cert_file.text, "etc/c");
    ck_assert_uint_eq(c->cert_file.line, 1);
    ck_assert_uint_eq(c->cert_file.column, 32);
    ck_assert_str_eq(c->client_ca_file.text, "/ca");
    ck_assert_int_eq(c->client_auth, WEB_CLIENT_VERIFY_IF_GIVEN);
    ck_assert_uint_eq(c->client_sans.n, 2);
    ck_assert_str_eq(c->client_sans.items[1].text, "10.0.0.1");
    ck_assert_uint_eq(c->ciphers.n, 1);
    ck_assert_uint_eq(c->curves.n, 2);
    ck_assert_str_eq(c->curves.items[0].text, "P-384");
    web_config_free(c);

    c = good(TLS ", cipher_suites: [TLS_AES_128_GCM_SHA256]}");
    ck_assert(!c->tls12 && c->tls13);
    web_config_free(c);
}
END_TEST

/* An empty file and empty sections are an open door, as there. */
START_TEST(test_web_config_nothing)
{
    static const char *const texts[] = {"",
                                        "{}",
                                        "# only words\n",
                                        "tls_server_config: {}\n",
                                        "tls_server_config:\nbasic_auth_users:\n",
                                        "rate_limit: {interval: 0s}\n"};

    for (size_t i = 0; i < sizeof texts / sizeof *texts; i++) {
        struct web_config *c = good(texts[i]);

        ck_assert(!c->has_tls && c->n_users == 0 && c->headers == NULL && c->rate_interval_ns == 0);
        web_config_free(c);
    }
}
END_TEST

/* Users and headers are kept in their order; what every answer has anyway is not kept. */
START_TEST(test_web_config_rest)
{
    struct web_config *c = good("basic_auth_users: {a: " HASH ", b: " HASH "}\n"
                                "http_server_config: {headers: {X-Frame-Options: sameorigin,"
                                " X-Content-Type-Options: nosniff, X-XSS-Protection: ''}}\n"
                                "rate_limit: {interval: 20ms, burst: 5}\n");

    ck_assert_uint_eq(c->n_users, 2);
    ck_assert_str_eq(c->users[1].name, "b");
    ck_assert_str_eq(c->users[1].hash, HASH);
    ck_assert_str_eq(c->headers, "X-Frame-Options: sameorigin\r\n");
    ck_assert_int_eq(c->rate_interval_ns, 20000000);
    ck_assert_uint_eq(c->rate_burst, 5);
    web_config_free(c);
}
END_TEST

/* Each with its place, and no configuration. */
START_TEST(test_web_config_mistakes)
{
    static const struct {
        const char *text;
        unsigned column;
        const char *word;
    } cases[] = {
        {TLS ", min_version: TLS9}", 61, "TLS12, TLS13"},
        {TLS ", max_version: TLS11}", 61, "max_version"},
        {TLS ", min_version: TLS13, max_version: TLS12}", 1, "no version"},
        {TLS ", min_version: TLS12, max_version: TLS13, cipher_suites: [RC4]}", 104,
         "write one of"},
        {TLS ", curve_preferences: [P256]}", 68, "CurveP256"},
        {TLS ", client_auth_type: RequireAndVerifyClientCrt}", 66, "did you mean"},
        {TLS ", client_auth_type: RequireAndVerifyClientCert}", 66, "give client_ca_file"},
        {TLS ", client_ca_file: x}", 64, "a client CA has no effect"},
        {TLS ", client_allowed_sans: [x]}", 70, "client_allowed_sans has no effect"},
        {TLS ", client_ca_file: x, client_auth_type: RequireAndVerifyClientCert,"
             "client_allowed_sans: ['']}",
         134, "an empty name matches nobody"},
        {"tls_server_config: {key_file: k}", 1, "no certificate"},
        {"tls_server_config: {cert_file: c}", 1, "no key"},
        {"http_server_config: {http2: 7}", 29, "http2"},
        {"rate_limit: {interval: -1s, burst: 1}", 24, "below zero"},
        {"basic_auth_users: {a: $2y$04$x}", 23, "bcrypt"},
        {"basic_auth_users: {a: $2x$"
         "04$abcdefghijklmnopqrstuu2r9OfJnfCsdneAXAGHnS4UpFFP8WIrW}",
         23, "bcrypt"},
        {"basic_auth_users: {a: $2y$"
         "04$abcdefghijklmnopqrstuu2r9OfJnfCsdneAXAGHnS4UpFFP8WIrX}",
         23, "bcrypt"},
    };

    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct web_config *c = (struct web_config *)&err;

        memset(&err, 0, sizeof err);
        ck_assert_int_eq(web_config_new(&c, "web.yml", slice_str(cases[i].text), NULL, NULL, &err),
                         -EINVAL);
        ck_assert_ptr_eq(c, (struct web_config *)&err);
        ck_assert_msg(strstr(err.text, cases[i].word) != NULL, "%s: %s", cases[i].text, err.text);
        ck_assert_msg(err.line == 1 && err.column == cases[i].column, "%s: %u", cases[i].text,
                      err.column);
    }
}
END_TEST

/* What is legal and surely not meant. */
START_TEST(test_web_config_warnings)
{
    static const char *const texts[] = {
        "http_server_config: {http2: true}",
        TLS ", min_version: TLS10}",
        "tls_server_config: {}",
        "basic_auth_users: {}",
        "basic_auth_users:",
        TLS ", client_auth_type: RequestClientCert}",
        TLS ", client_auth_type: RequireClientCert}",
    };

    for (size_t i = 0; i < sizeof texts / sizeof *texts; i++) {
        struct web_config *c = NULL;
        unsigned n = 0;

        ck_assert_int_eq(web_config_new(&c, "web.yml", slice_str(texts[i]), count, &n, &err), 0);
        ck_assert_uint_eq(n, 1);
        ck_assert(!c->has_tls || c->tls12);
        web_config_free(c);
    }
}
END_TEST

static Suite *suite(void)
{
    Suite *s = suite_create("web_config");
    TCase *read = tcase_create("read");

    tcase_add_test(read, test_web_config_tls);
    tcase_add_test(read, test_web_config_nothing);
    tcase_add_test(read, test_web_config_rest);
    tcase_add_test(read, test_web_config_mistakes);
    tcase_add_test(read, test_web_config_warnings);
    suite_add_tcase(s, read);
    return s;
}

int main(void)
{
    return unit_main(suite());
}
