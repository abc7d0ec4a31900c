/* What this library is made of, and what it can do. */
#include <openssl/crypto.h>
#include <zlib.h>

#include "civetweb.h"
#include "runtime.h"

const ah_library_info *rt_get_library_info(void)
{
    static _Thread_local ah_library_info info;

    info.version = ALUSUS_HTTP_VERSION;
    info.civetweb = mg_version();
    info.open_ssl = OpenSSL_version(OPENSSL_VERSION_STRING);
    info.zlib = zlibVersion();
    info.has_files = mg_check_feature(MG_FEATURES_FILES) != 0;
    info.has_tls = mg_check_feature(MG_FEATURES_TLS) != 0;
    info.has_cgi = mg_check_feature(MG_FEATURES_CGI) != 0;
    info.has_ipv6 = mg_check_feature(MG_FEATURES_IPV6) != 0;
    info.has_web_socket = mg_check_feature(MG_FEATURES_WEBSOCKET) != 0;
    info.has_compression = mg_check_feature(MG_FEATURES_COMPRESSION) != 0;
    info.has_unix_sockets = mg_check_feature(MG_FEATURES_X_DOMAIN_SOCKET) != 0;
    return &info;
}
