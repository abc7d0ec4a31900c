/* Answers with the files of the document root (RFC 9110): conditional, in part, compressed. */
#ifndef AH_STATIC_FILES_H
#define AH_STATIC_FILES_H

#include "civetweb.h"

/* Answer a GET or HEAD for a file, in CivetWeb's place: it knows no suffix ranges, sends negative lengths for
 * ranges behind the end, compares one entity tag only and writes each header by itself. The status of the
 * answer; 0 when CivetWeb is to go on with the request. On the connection's worker. */
int static_files_answer(struct mg_connection *civetweb);

#endif
