#include "tls_facts.h"

#include <openssl/sha.h>
#include <openssl/ssl.h>
#include <openssl/x509.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define DIGITS (2 * SHA256_DIGEST_LENGTH + 1)

static const char *fingerprint(const X509 *certificate, char *digits)
{
    unsigned char digest[EVP_MAX_MD_SIZE];
    unsigned size, i;

    if (certificate == NULL || X509_digest(certificate, EVP_sha256(), digest, &size) != 1)
        return NULL;
    for (i = 0; i < size; i++)
        sprintf(digits + 2 * i, "%02x", digest[i]);
    return digits;
}

struct tls_facts *tls_facts_new(const SSL *tls, const struct mg_client_cert *certificate)
{
    static const struct mg_client_cert nobody;
    const struct mg_client_cert *from = certificate != NULL ? certificate : &nobody;
    char digits[DIGITS];
    const char *texts[] = {SSL_get_servername(tls, TLSEXT_NAMETYPE_host_name), from->subject, from->issuer, from->serial,
                           fingerprint(from->peer_cert, digits)};
    enum { COUNT = sizeof texts / sizeof *texts };
    size_t sizes[COUNT], size = sizeof(struct tls_facts), i;
    struct tls_facts *facts;
    char *end;

    for (i = 0; i < COUNT; i++) {
        sizes[i] = texts[i] == NULL ? 0 : strlen(texts[i]) + 1;
        size += sizes[i];
    }
    facts = malloc(size);
    if (facts == NULL)
        return NULL;
    end = (char *)(facts + 1);
    for (i = 0; i < COUNT; i++) {
        if (texts[i] != NULL)
            texts[i] = memcpy(end, texts[i], sizes[i]);
        end += sizes[i];
    }
    *facts = (struct tls_facts){
        .version = SSL_get_version(tls),
        .cipher = SSL_get_cipher_name(tls),
        .server_name = texts[0],
        .subject = texts[1],
        .issuer = texts[2],
        .serial = texts[3],
        .fingerprint = texts[4],
    };
    return facts;
}
