/* SPDX-License-Identifier: Apache-2.0 */
/*
 * OpenSSL, opened when the first door needs it
 *
 * Most servers stand on a private network and have neither certificates nor passwords. Linked, the
 * two libraries would cost each of them 1.7 MB of memory, and 1 ms of its start to fit them in. So
 * they are opened by the first who needs them, and each function is called through a table.
 *
 * Contract: include this instead of OpenSSL's own headers; its names are used as ever. A function
 *           is in both lists below: one without its #define does not link, one without its place
 *           in the table does not compile. Nothing is called before openssl_open() has said 0.
 */
#ifndef SERVER_OPENSSL_H
#define SERVER_OPENSSL_H

#include <openssl/crypto.h>
#include <openssl/err.h>
#include <openssl/evp.h>
#include <openssl/hmac.h>
#include <openssl/pem.h>
#include <openssl/ssl.h>
#include <openssl/x509v3.h>

#include "base/err.h"

/*
 * Open the libraries, once in a process; any thread may. 0; -ENOENT with @e filled: they are not
 * on this machine, or not those that this was built for. @file asks for them; NULL: none does.
 */
int openssl_open(const char *file, struct err *e);

/* clang-format off */
#define OPENSSL_FUNCTIONS(X) \
    X(ASN1_STRING_get0_data) \
    X(ASN1_STRING_length) \
    X(BIO_ctrl) \
    X(BIO_free) \
    X(BIO_new) \
    X(BIO_new_mem_buf) \
    X(BIO_s_mem) \
    X(BIO_write) \
    X(CRYPTO_memcmp) \
    X(ERR_clear_error) \
    X(ERR_peek_error) \
    X(ERR_peek_last_error) \
    X(ERR_reason_error_string) \
    X(EVP_PKEY_free) \
    X(EVP_sha256) \
    X(GENERAL_NAMES_free) \
    X(HMAC) \
    X(OPENSSL_cipher_name) \
    X(OPENSSL_sk_num) \
    X(OPENSSL_sk_value) \
    X(PEM_read_bio_PrivateKey) \
    X(PEM_read_bio_X509) \
    X(PEM_read_bio_X509_AUX) \
    X(SSL_CTX_add_client_CA) \
    X(SSL_CTX_check_private_key) \
    X(SSL_CTX_ctrl) \
    X(SSL_CTX_free) \
    X(SSL_CTX_get0_param) \
    X(SSL_CTX_get_cert_store) \
    X(SSL_CTX_new) \
    X(SSL_CTX_set_alpn_select_cb) \
    X(SSL_CTX_set_cert_verify_callback) \
    X(SSL_CTX_set_cipher_list) \
    X(SSL_CTX_set_default_passwd_cb) \
    X(SSL_CTX_set_default_verify_paths) \
    X(SSL_CTX_set_num_tickets) \
    X(SSL_CTX_set_options) \
    X(SSL_CTX_set_verify) \
    X(SSL_CTX_use_PrivateKey) \
    X(SSL_CTX_use_certificate) \
    X(SSL_ctrl) \
    X(SSL_do_handshake) \
    X(SSL_free) \
    X(SSL_get0_param) \
    X(SSL_get0_peer_certificate) \
    X(SSL_get_error) \
    X(SSL_get_verify_mode) \
    X(SSL_get_verify_result) \
    X(SSL_is_init_finished) \
    X(SSL_is_server) \
    X(SSL_new) \
    X(SSL_read) \
    X(SSL_select_next_proto) \
    X(SSL_set1_host) \
    X(SSL_set_accept_state) \
    X(SSL_set_bio) \
    X(SSL_set_connect_state) \
    X(SSL_shutdown) \
    X(SSL_write) \
    X(TLS_client_method) \
    X(TLS_server_method) \
    X(X509_STORE_CTX_get0_cert) \
    X(X509_STORE_CTX_set_error) \
    X(X509_STORE_add_cert) \
    X(X509_VERIFY_PARAM_set1_ip_asc) \
    X(X509_VERIFY_PARAM_set_flags) \
    X(X509_free) \
    X(X509_get_ext_d2i) \
    X(X509_verify_cert) \
    X(X509_verify_cert_error_string)

#define OPENSSL_PLACE(name) __typeof__(name) *name;
extern struct openssl {
    OPENSSL_FUNCTIONS(OPENSSL_PLACE)
} openssl;
#undef OPENSSL_PLACE

#define ASN1_STRING_get0_data            openssl.ASN1_STRING_get0_data
#define ASN1_STRING_length               openssl.ASN1_STRING_length
#define BIO_ctrl                         openssl.BIO_ctrl
#define BIO_free                         openssl.BIO_free
#define BIO_new                          openssl.BIO_new
#define BIO_new_mem_buf                  openssl.BIO_new_mem_buf
#define BIO_s_mem                        openssl.BIO_s_mem
#define BIO_write                        openssl.BIO_write
#define CRYPTO_memcmp                    openssl.CRYPTO_memcmp
#define ERR_clear_error                  openssl.ERR_clear_error
#define ERR_peek_error                   openssl.ERR_peek_error
#define ERR_peek_last_error              openssl.ERR_peek_last_error
#define ERR_reason_error_string          openssl.ERR_reason_error_string
#define EVP_PKEY_free                    openssl.EVP_PKEY_free
#define EVP_sha256                       openssl.EVP_sha256
#define GENERAL_NAMES_free               openssl.GENERAL_NAMES_free
#define HMAC                             openssl.HMAC
#define OPENSSL_cipher_name              openssl.OPENSSL_cipher_name
#define OPENSSL_sk_num                   openssl.OPENSSL_sk_num
#define OPENSSL_sk_value                 openssl.OPENSSL_sk_value
#define PEM_read_bio_PrivateKey          openssl.PEM_read_bio_PrivateKey
#define PEM_read_bio_X509                openssl.PEM_read_bio_X509
#define PEM_read_bio_X509_AUX            openssl.PEM_read_bio_X509_AUX
#define SSL_CTX_add_client_CA            openssl.SSL_CTX_add_client_CA
#define SSL_CTX_check_private_key        openssl.SSL_CTX_check_private_key
#define SSL_CTX_ctrl                     openssl.SSL_CTX_ctrl
#define SSL_CTX_free                     openssl.SSL_CTX_free
#define SSL_CTX_get0_param               openssl.SSL_CTX_get0_param
#define SSL_CTX_get_cert_store           openssl.SSL_CTX_get_cert_store
#define SSL_CTX_new                      openssl.SSL_CTX_new
#define SSL_CTX_set_alpn_select_cb       openssl.SSL_CTX_set_alpn_select_cb
#define SSL_CTX_set_cert_verify_callback openssl.SSL_CTX_set_cert_verify_callback
#define SSL_CTX_set_cipher_list          openssl.SSL_CTX_set_cipher_list
#define SSL_CTX_set_default_passwd_cb    openssl.SSL_CTX_set_default_passwd_cb
#define SSL_CTX_set_default_verify_paths openssl.SSL_CTX_set_default_verify_paths
#define SSL_CTX_set_num_tickets          openssl.SSL_CTX_set_num_tickets
#define SSL_CTX_set_options              openssl.SSL_CTX_set_options
#define SSL_CTX_set_verify               openssl.SSL_CTX_set_verify
#define SSL_CTX_use_PrivateKey           openssl.SSL_CTX_use_PrivateKey
#define SSL_CTX_use_certificate          openssl.SSL_CTX_use_certificate
#define SSL_ctrl                         openssl.SSL_ctrl
#define SSL_do_handshake                 openssl.SSL_do_handshake
#define SSL_free                         openssl.SSL_free
#define SSL_get0_param                   openssl.SSL_get0_param
#define SSL_get0_peer_certificate        openssl.SSL_get0_peer_certificate
#define SSL_get_error                    openssl.SSL_get_error
#define SSL_get_verify_mode              openssl.SSL_get_verify_mode
#define SSL_get_verify_result            openssl.SSL_get_verify_result
#define SSL_is_init_finished             openssl.SSL_is_init_finished
#define SSL_is_server                    openssl.SSL_is_server
#define SSL_new                          openssl.SSL_new
#define SSL_read                         openssl.SSL_read
#define SSL_select_next_proto            openssl.SSL_select_next_proto
#define SSL_set1_host                    openssl.SSL_set1_host
#define SSL_set_accept_state             openssl.SSL_set_accept_state
#define SSL_set_bio                      openssl.SSL_set_bio
#define SSL_set_connect_state            openssl.SSL_set_connect_state
#define SSL_shutdown                     openssl.SSL_shutdown
#define SSL_write                        openssl.SSL_write
#define TLS_client_method                openssl.TLS_client_method
#define TLS_server_method                openssl.TLS_server_method
#define X509_STORE_CTX_get0_cert         openssl.X509_STORE_CTX_get0_cert
#define X509_STORE_CTX_set_error         openssl.X509_STORE_CTX_set_error
#define X509_STORE_add_cert              openssl.X509_STORE_add_cert
#define X509_VERIFY_PARAM_set1_ip_asc    openssl.X509_VERIFY_PARAM_set1_ip_asc
#define X509_VERIFY_PARAM_set_flags      openssl.X509_VERIFY_PARAM_set_flags
#define X509_free                        openssl.X509_free
#define X509_get_ext_d2i                 openssl.X509_get_ext_d2i
#define X509_verify_cert                 openssl.X509_verify_cert
#define X509_verify_cert_error_string    openssl.X509_verify_cert_error_string
/* clang-format on */

#endif
