# What the library cannot do without. A part that is missing stops the build: a server without TLS is not this server.

find_package(OpenSSL 3)
if(NOT OPENSSL_FOUND)
  message(FATAL_ERROR "OpenSSL 3 and its headers are needed for TLS and were not found. On Debian: apt-get install libssl-dev")
endif()
find_package(ZLIB)
if(NOT ZLIB_FOUND)
  message(FATAL_ERROR "zlib and its headers are needed for compression and were not found. On Debian: apt-get install zlib1g-dev")
endif()
