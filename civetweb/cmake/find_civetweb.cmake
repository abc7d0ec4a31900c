# Sets civetweb_source (the folder) and civetweb_definitions, and proves that the features asked for are really there.

find_package(Python 3.11 REQUIRED COMPONENTS Interpreter)
set(CIVETWEB_SOURCE_DIR "" CACHE PATH "CivetWeb's source; empty: the cache, else it is fetched")
set(fetch ${Python_EXECUTABLE} "${CMAKE_CURRENT_SOURCE_DIR}/fetch_civetweb.py")
if(CIVETWEB_SOURCE_DIR)
  list(PREPEND fetch ${CMAKE_COMMAND} -E env "CIVETWEB_SOURCE_DIR=${CIVETWEB_SOURCE_DIR}")
endif()
execute_process(COMMAND ${fetch}
  OUTPUT_VARIABLE civetweb_source OUTPUT_STRIP_TRAILING_WHITESPACE RESULT_VARIABLE fetch_result)
if(NOT fetch_result EQUAL 0)
  message(FATAL_ERROR "No CivetWeb source; the lines above say why and what to do.")
endif()
message(STATUS "CivetWeb: ${civetweb_source}")

# USE_STACK_SIZE stays undefined: threads get the system's own stack size, which Python and Alusus code can live on.
# REENTRANT_TIME: else its threads share one `struct tm`, and a Date header may be another's.
set(civetweb_definitions
  REENTRANT_TIME USE_WEBSOCKET USE_IPV6 USE_ZLIB USE_X_DOM_SOCKET OPENSSL_API_3_0 NO_SSL_DL SOCKET_TIMEOUT_QUANTUM=100
  $<$<NOT:$<CONFIG:Debug>>:NDEBUG>)

# CivetWeb leaves out what it cannot have without a word, so it is built once and asked.
if(NOT CMAKE_CROSSCOMPILING AND NOT civetweb_checked STREQUAL civetweb_source)
  set(probe_definitions ${civetweb_definitions})
  list(FILTER probe_definitions EXCLUDE REGEX "^\\$")
  list(TRANSFORM probe_definitions PREPEND -D)
  unset(civetweb_probe_ran CACHE)
  unset(civetweb_probe_compiled CACHE)
  try_run(civetweb_probe_ran civetweb_probe_compiled
    "${CMAKE_CURRENT_BINARY_DIR}/probe" "${CMAKE_CURRENT_SOURCE_DIR}/cmake/check_features.c"
    COMPILE_DEFINITIONS ${probe_definitions} -w
    CMAKE_FLAGS "-DINCLUDE_DIRECTORIES=${civetweb_source}/src;${civetweb_source}/include;${OPENSSL_INCLUDE_DIR};${ZLIB_INCLUDE_DIRS}"
    LINK_LIBRARIES ${OPENSSL_LIBRARIES} ${ZLIB_LIBRARIES} Threads::Threads ${CMAKE_DL_LIBS}
    COMPILE_OUTPUT_VARIABLE compile_output
    RUN_OUTPUT_VARIABLE run_output)
  if(NOT civetweb_probe_compiled)
    message(FATAL_ERROR "CivetWeb does not compile here:\n${compile_output}")
  elseif(NOT civetweb_probe_ran EQUAL 0)
    message(FATAL_ERROR "CivetWeb in ${civetweb_source} lacks: ${run_output}")
  endif()
  set(civetweb_checked "${civetweb_source}" CACHE INTERNAL "The source whose features were checked")
endif()
