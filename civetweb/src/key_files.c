#include "key_files.h"

#include <openssl/err.h>
#include <openssl/ssl.h>
#include <openssl/x509.h>
#include <stdbool.h>
#include <stdio.h>

#include "log_listener.h"

#define WANTED "give a PEM file with the private key, without a passphrase, its certificate and the chain"

static const char *reason(void)
{
    const char *text = ERR_reason_error_string(ERR_peek_error());

    return text == NULL ? "unknown reason" : text;
}

/* Whether the key that was loaded, or could not be, is not that of the certificate. */
static bool is_mismatch(const SSL_CTX *tls, bool loaded)
{
    unsigned long error = ERR_peek_last_error();

    return loaded ? SSL_CTX_check_private_key(tls) != 1
                  : ERR_GET_LIB(error) == ERR_LIB_X509 && ERR_GET_REASON(error) == X509_R_KEY_VALUES_MISMATCH;
}

static void say(const char *format, const char *path, const char *why)
{
    char text[LOG_TEXT];

    snprintf(text, sizeof text, format, path, why);
    log_hear(text);
}

int key_files_use_certificate(SSL_CTX *tls, const char *path, int type)
{
    int used;

    ERR_clear_error();
    used = SSL_CTX_use_certificate_file(tls, path, type);
    if (used != 1)
        say("%s has no certificate that can be used (%s); " WANTED, path, reason());
    return used;
}

/* In place of OpenSSL's own, which asks at the terminal and waits. */
static int no_passphrase(char *buffer, int size, int writing, void *asked)
{
    (void)buffer, (void)size, (void)writing;
    *(bool *)asked = true;
    return -1;
}

int key_files_use_key(SSL_CTX *tls, const char *path, int type)
{
    /* A callback of the program that sets TLS up may know the passphrase. */
    bool unattended = SSL_CTX_get_default_passwd_cb(tls) == NULL, asked = false;
    int used;

    ERR_clear_error();
    if (unattended) {
        SSL_CTX_set_default_passwd_cb(tls, no_passphrase);
        SSL_CTX_set_default_passwd_cb_userdata(tls, &asked);
    }
    used = SSL_CTX_use_PrivateKey_file(tls, path, type);
    if (unattended) {
        SSL_CTX_set_default_passwd_cb(tls, NULL);
        SSL_CTX_set_default_passwd_cb_userdata(tls, NULL);
    }
    if (asked)
        say("the private key in %s has a passphrase, and there is nobody to ask for it%s; take it off with \"openssl pkey\"",
            path, "");
    else if (is_mismatch(tls, used == 1))
        say("the private key in %s is not that of its certificate%s; " WANTED, path, "");
    else if (used != 1)
        say("%s has no private key that can be used (%s); " WANTED, path, reason());
    return used;
}

int key_files_use_chain(SSL_CTX *tls, const char *path)
{
    int used;

    ERR_clear_error();
    used = SSL_CTX_use_certificate_chain_file(tls, path);
    if (used != 1)
        say("%s has no chain of certificates that can be used (%s); give as \"ssl_certificate_chain\" a PEM file with the "
            "certificate, then those between it and its authority", path, reason());
    return used;
}

int key_files_trust(SSL_CTX *tls, const char *ca_file, const char *ca_path)
{
    int used;

    ERR_clear_error();
    used = SSL_CTX_load_verify_locations(tls, ca_file, ca_path);
    if (used != 1 && ca_file == NULL && ca_path == NULL)
        log_hear("\"ssl_verify_peer\" needs to know the authorities of clients; give a PEM file of their certificates as "
                 "\"ssl_ca_file\"");
    else if (used != 1)
        say("%s has no certificates of authorities that can be used (%s); give a PEM file of them as \"ssl_ca_file\"",
            ca_file != NULL ? ca_file : ca_path, reason());
    return used;
}
