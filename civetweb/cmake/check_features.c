/* Prints the features that CivetWeb was built without, and fails if there are any. */
#include "civetweb.c"

int main(void) {
  static const struct {
    unsigned bit;
    const char *name;
  } needed[] = {
    {MG_FEATURES_FILES, "files"},
    {MG_FEATURES_TLS, "TLS"},
    {MG_FEATURES_IPV6, "IPv6"},
    {MG_FEATURES_WEBSOCKET, "websockets"},
    {MG_FEATURES_COMPRESSION, "compression (zlib)"},
    {MG_FEATURES_X_DOMAIN_SOCKET, "unix sockets"},
  };
  unsigned found = mg_check_feature(MG_FEATURES_ALL);
  /* TLS counts when it can be initialised: compiled in, it may still lack its library. */
  if (!mg_init_library(MG_FEATURES_TLS)) {
    found &= ~(unsigned)MG_FEATURES_TLS;
  }
  int missing = 0;
  for (size_t i = 0; i < sizeof needed / sizeof needed[0]; ++i) {
    if (!(found & needed[i].bit)) {
      printf("%s%s", missing++ ? ", " : "", needed[i].name);
    }
  }
  return missing;
}
