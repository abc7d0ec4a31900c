/* Loading certificates and keys into a TLS context, in CivetWeb's place: why a file cannot be used is said to the
 * log's listener in words that help, and no key asks for a passphrase at the terminal. As OpenSSL's functions of these
 * names: 1, or 0 with errors in its queue. */
#ifndef AH_KEY_FILES_H
#define AH_KEY_FILES_H

#include <openssl/types.h>

int key_files_use_certificate(SSL_CTX *tls, const char *path, int type);
int key_files_use_key(SSL_CTX *tls, const char *path, int type);
int key_files_use_chain(SSL_CTX *tls, const char *path);
int key_files_trust(SSL_CTX *tls, const char *ca_file, const char *ca_path);

#endif
