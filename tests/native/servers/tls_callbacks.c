/* The four TLS callbacks, one of which sets TLS up; each prints what it was asked. /reload asks again.
   tls_callbacks listening_ports callback certificate */
#include <openssl/ssl.h>
#include <string.h>

#include "serve.h"

static const char *certificate;
static int user_data;

static int load(SSL_CTX *tls)
{
    return SSL_CTX_use_certificate_file(tls, certificate, SSL_FILETYPE_PEM) == 1 &&
           SSL_CTX_use_PrivateKey_file(tls, certificate, SSL_FILETYPE_PEM) == 1;
}

static Int initSsl(void *sslContext, void *userData)
{
    printf("initSsl %d\n", userData == &user_data);
    return load(sslContext);
}

static Int initSslDomain(CharsPtr serverDomain, void *sslContext, void *userData)
{
    printf("initSslDomain %s %d\n", (char *)serverDomain, userData == &user_data);
    return load(sslContext);
}

static Int external(void **sslContext)
{
    if (*sslContext != NULL) {
        SSL_CTX_free(*sslContext);
        printf("freed\n");
        return 1;
    }
    *sslContext = SSL_CTX_new(TLS_server_method());
    return load(*sslContext);
}

static Int externalSslCtx(void **sslContext, void *userData)
{
    printf("externalSslCtx %d\n", userData == &user_data);
    return external(sslContext);
}

static Int externalSslCtxDomain(CharsPtr serverDomain, void **sslContext, void *userData)
{
    printf("externalSslCtxDomain %s %d\n", (char *)serverDomain, userData == &user_data);
    return external(sslContext);
}

static Int refuse(void *sslContext, void *userData)
{
    (void)sslContext;
    (void)userData;
    return -1;
}

static Int beginRequest(Connection *connection)
{
    Int reloaded = strcmp((char *)ah_get_request_info(connection)->localUri, "/reload") == 0
                       ? ah_reload_certificates(ah_get_context(connection))
                       : -1;
    ah_print(connection, TEXT("HTTP/1.1 200 OK\r\nConnection: close\r\n\r\nreloaded=%d"), reloaded);
    return 200;
}

int main(int argc, char **argv)
{
    Callbacks callbacks = {.beginRequest = beginRequest};
    CharsPtr options[] = {TEXT("listening_ports"), port_of(argc, argv), TEXT("authentication_domain"), TEXT("one.test"),
                          NULL};

    if (argc != 4)
        return 2;
    certificate = argv[3];
    if (strcmp(argv[2], "initSsl") == 0)
        callbacks.initSsl = initSsl;
    else if (strcmp(argv[2], "initSslDomain") == 0)
        callbacks.initSslDomain = initSslDomain;
    else if (strcmp(argv[2], "externalSslCtx") == 0)
        callbacks.externalSslCtx = externalSslCtx;
    else if (strcmp(argv[2], "externalSslCtxDomain") == 0)
        callbacks.externalSslCtxDomain = externalSslCtxDomain;
    else
        callbacks.initSsl = refuse;
    return serve_until_enter(started(ah_start_server(&callbacks, &user_data, options)));
}
