# Run after linking: the library exports ah_* and nothing else, or the build stops.

execute_process(COMMAND ${NM} -D --defined-only --format=posix ${LIBRARY}
  OUTPUT_VARIABLE symbols COMMAND_ERROR_IS_FATAL ANY)
string(REGEX MATCHALL "[^\n]+" symbols "${symbols}")
list(TRANSFORM symbols REPLACE " .*" "")
if(NOT symbols)
  message(FATAL_ERROR "${LIBRARY} exports nothing")
endif()
list(FILTER symbols EXCLUDE REGEX "^ah_")
if(symbols)
  list(JOIN symbols " " symbols)
  message(FATAL_ERROR "${LIBRARY} exports more than ah_*: ${symbols}")
endif()
