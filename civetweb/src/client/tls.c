#include "tls.h"

#include <arpa/inet.h>
#include <openssl/err.h>
#include <openssl/ssl.h>
#include <openssl/x509v3.h>

#include "../errors.h"
#include "stream.h"

static const char *reason(void)
{
    const char *text = ERR_reason_error_string(ERR_peek_last_error());

    return text == NULL ? "the connection was lost" : text;
}

SSL_CTX *tls_new(const char *ca_file, bool verify)
{
    SSL_CTX *shared;
    bool loaded = true;

    ERR_clear_error();
    shared = SSL_CTX_new(TLS_client_method());
    if (shared == NULL) {
        error_set(AH_ERROR_SYSTEM, "TLS cannot be set up: %s", reason());
        return NULL;
    }
    SSL_CTX_set_min_proto_version(shared, TLS1_2_VERSION);
    SSL_CTX_set_mode(shared, SSL_MODE_ENABLE_PARTIAL_WRITE | SSL_MODE_ACCEPT_MOVING_WRITE_BUFFER |
                                 SSL_MODE_RELEASE_BUFFERS);
    SSL_CTX_set_verify(shared, verify ? SSL_VERIFY_PEER : SSL_VERIFY_NONE, NULL);
    if (ca_file != NULL)
        loaded = SSL_CTX_load_verify_file(shared, ca_file) == 1;
    else if (verify)
        loaded = SSL_CTX_set_default_verify_paths(shared) == 1;
    if (loaded)
        return shared;
    error_set(AH_ERROR_INVALID_ARGUMENT, "the certificates of %s%s cannot be loaded: %s; give a file of certificates in PEM as "
                                         "\"ssl_ca_file\"", ca_file == NULL ? "the system" : "the file ",
              ca_file == NULL ? "" : ca_file, reason());
    SSL_CTX_free(shared);
    return NULL;
}

static bool is_address(const char *host)
{
    struct in6_addr address;

    return inet_pton(AF_INET, host, &address) == 1 || inet_pton(AF_INET6, host, &address) == 1;
}

/* Ask for the host (SNI, RFC 6066, section 3), and want a certificate of its. */
static bool expect_host(SSL *tls, const char *host)
{
    if (is_address(host)) /* which SNI does not know */
        return X509_VERIFY_PARAM_set1_ip_asc(SSL_get0_param(tls), host) == 1;
    /* The subject's common name is no longer a place for names (RFC 9110, section 4.3.4). */
    SSL_set_hostflags(tls, X509_CHECK_FLAG_NO_PARTIAL_WILDCARDS | X509_CHECK_FLAG_NEVER_CHECK_SUBJECT);
    return SSL_set_tlsext_host_name(tls, host) == 1 && SSL_set1_host(tls, host) == 1;
}

static void set_tls_error(SSL *tls, const struct url *url)
{
    long verified = SSL_get_verify_result(tls);

    if (verified != X509_V_OK && SSL_get_verify_mode(tls) != SSL_VERIFY_NONE)
        error_set(AH_ERROR_CONNECT_FAILED, "%s: the server's certificate is not trusted: %s; if it is meant to be, name the "
                                           "certificate of its authority as the option \"ssl_ca_file\"", url->place,
                  X509_verify_cert_error_string(verified));
    else
        error_set(AH_ERROR_CONNECT_FAILED, "%s: TLS failed: %s; check that the server speaks TLS on this port", url->place,
                  reason());
}

bool tls_connect(struct transport *transport, const struct url *url, SSL_CTX *shared, const struct patience *patience)
{
    SSL *tls = SSL_new(shared);
    int result = 0;

    if (tls == NULL || !expect_host(tls, url->host) || SSL_set_fd(tls, transport->socket) != 1) {
        SSL_free(tls);
        error_set_no_memory();
        return false;
    }
    transport->tls = tls;
    for (;;) {
        ERR_clear_error();
        result = SSL_connect(tls);
        if (result == 1)
            return true;
        if (SSL_get_error(tls, result) != SSL_ERROR_WANT_READ && SSL_get_error(tls, result) != SSL_ERROR_WANT_WRITE) {
            set_tls_error(tls, url);
            return false;
        }
        if (!stream_wait(transport, 0, patience)) {
            patience_error(patience, url->place, "TLS's handshake", "connect_timeout_ms");
            return false;
        }
    }
}
