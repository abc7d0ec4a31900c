/*
 * The library's functions as code compiled by Alusus calls them.
 *
 * Written by hand from the Alusus declarations and on purpose without the library's own header: an Alusus
 * program knows only names and types, so a mistake that header and library share would show here. Char is
 * unsigned, a handle is a pointer to an empty class, a structure is read at the offsets that Alusus computes.
 */
#ifndef ALUSUS_ABI_H
#define ALUSUS_ABI_H

#include <stddef.h>
#include <stdint.h>

typedef int32_t Int;
typedef int64_t Int64;
typedef size_t ArchWord;
typedef intptr_t ArchInt;
typedef unsigned char Char;
typedef Char *CharsPtr;

#define TEXT(literal) ((CharsPtr)(literal))

typedef struct Context Context;
typedef struct Connection Connection;

typedef struct Header {
    CharsPtr name;
    CharsPtr value;
} Header;

typedef struct RequestInfo {
    CharsPtr requestMethod;
    CharsPtr requestUri;
    CharsPtr localUriRaw;
    CharsPtr localUri;
    CharsPtr httpVersion;
    CharsPtr queryString;
    CharsPtr remoteUser;
    Char remoteAddr[48];
    Int64 contentLength;
    Int remotePort;
    Int serverPort;
    Int isSsl;
    void *userData;
    void *connData;
    Int numberHeaders;
    Header httpHeaders[64];
} RequestInfo;

typedef struct ServerOption {
    CharsPtr name;
    CharsPtr kind;
    CharsPtr defaultValue;
} ServerOption;

typedef struct ServerPort {
    Int port;
    Int isSsl;
    Int isRedirect;
    Int isIpv6;
} ServerPort;

typedef struct ServerStatistics {
    Int64 uptime, workers, workersBusy, connectionsWaiting, connectionsOpen, connectionsAccepted, requests;
    Int64 informational, successful, redirected, clientErrors, serverErrors, bytesReceived, bytesSent;
} ServerStatistics;

typedef Int (*RequestCallback)(Connection *connection);
typedef Int (*WebSocketConnectCallback)(Connection *connection, void *userData);
typedef void (*WebSocketReadyCallback)(Connection *connection, void *userData);
typedef Int (*WebSocketDataCallback)(Connection *connection, Int bits, CharsPtr data, Int dataLen, void *userData);
typedef Int (*WebSocketMessageCallback)(Connection *connection, Int opcode, CharsPtr data, ArchWord dataLen,
                                        void *userData);
typedef void (*WebSocketCloseCallback)(Connection *connection, void *userData);

typedef Int (*RequestHandlerCallback)(Connection *connection, void *userData);
typedef Int (*AuthorizationCallback)(Connection *connection, void *userData);

typedef struct FormField {
    CharsPtr name;
    CharsPtr fileName;
    CharsPtr mimeType;
} FormField;

typedef struct Callbacks {
    RequestCallback beginRequest;
    void (*endRequest)(Connection *connection, Int replyStatusCode);
    Int (*logMessage)(Connection *connection, CharsPtr message);
    Int (*logAccess)(Connection *connection, CharsPtr message);
    Int (*initSsl)(void *sslContext, void *userData);
    Int (*initSslDomain)(CharsPtr serverDomain, void *sslContext, void *userData);
    Int (*externalSslCtx)(void **sslContext, void *userData);
    Int (*externalSslCtxDomain)(CharsPtr serverDomain, void **sslContext, void *userData);
    void (*connectionClose)(Connection *connection);
    void (*connectionClosed)(Connection *connection);
    void (*initLua)(Connection *connection, void *luaContext);
    void (*exitLua)(Connection *connection, void *luaContext);
    Int (*httpError)(Connection *connection, Int status, CharsPtr message);
    void (*initContext)(Context *context);
    void (*exitContext)(Context *context);
    void (*initThread)(Context *context, Int threadType);
    void (*exitThread)(Context *context, Int threadType, void *threadPtr);
    Int (*initConnection)(Connection *connection, void **connData);
} Callbacks;

typedef struct WebSocketStatistics {
    int64_t open, opened, refused;
    int64_t messagesReceived, messagesSent, bytesReceived, bytesSent;
    int64_t closedNormally, closedGoingAway, closedProtocolError, closedInvalidData, closedTooBig, closedAbnormally,
        closedOtherwise;
} WebSocketStatistics;

/* Overloads of startServer; the two with Array are Alusus bodies that call the one with options. */
Context *ah_start_server(Callbacks *callbacks, void *userData, CharsPtr *options);
Context *ah_start_server_with_options(RequestCallback callback, void *userData, CharsPtr *options, ArchInt optionsCount);
Context *ah_start_server_with_arguments(RequestCallback callback, void *userData, Int optsCount, ...);
Context *ah_start_server_with_arguments_no_data(RequestCallback callback, Int optsCount, ...);
Context *ah_start_server_on_port(RequestCallback callback, void *userData, CharsPtr port);
void ah_stop_server(Context *context);

Int ah_get_valid_options(ServerOption *options, Int capacity);
CharsPtr ah_get_server_option(Context *context, CharsPtr name);
Int ah_get_server_ports(Context *context, ServerPort *ports, Int capacity);
void ah_stop_listening(Context *context);
Int ah_await_requests(Context *context, Int timeoutMs);
Int ah_get_server_port(Context *context);
ServerStatistics *ah_get_server_statistics(Context *context);
void *ah_get_user_data(Context *context);
Int ah_start_domain(Context *context, CharsPtr *options);
Int ah_start_domain_with_options(Context *context, CharsPtr *options, ArchInt optionsCount);
Int ah_reload_certificates(Context *context);

Context *ah_get_context(Connection *connection);
Int ah_set_connection_data(Connection *connection, void *connData);
RequestInfo *ah_get_request_info(Connection *connection);
CharsPtr ah_get_header(Connection *connection, CharsPtr name);
Int ah_read(Connection *connection, void *buffer, Int bufferSize);
Int ah_write(Connection *connection, CharsPtr buffer, Int bufferSize);
Int ah_print(Connection *connection, CharsPtr format, ...);
Int ah_get_cookie(CharsPtr cookies, CharsPtr name, CharsPtr out, uint64_t outSize);
Int ah_get_variable(CharsPtr data, Int dataSize, CharsPtr name, CharsPtr out, Int outSize);

Int ah_respond(Connection *connection, Int status, CharsPtr mimeType, CharsPtr body, ArchWord bodyLen);
Int ah_start_response(Connection *connection, Int status);
Int ah_add_response_header(Connection *connection, CharsPtr name, CharsPtr value);
Int ah_send_response_headers(Connection *connection);
Int ah_send_chunk(Connection *connection, CharsPtr data, ArchWord dataLen);
Int ah_send_error(Connection *connection, Int status, CharsPtr message);
Int ah_send_redirect(Connection *connection, CharsPtr uri, Int status);
void ah_send_file(Connection *connection, CharsPtr fileName);
void ah_send_file_of_type(Connection *connection, CharsPtr fileName, CharsPtr mime);

CharsPtr ah_get_mime_type(CharsPtr fileName);
Int ah_encode_url(CharsPtr text, CharsPtr out, Int outSize);
Int ah_decode_url(CharsPtr text, Int textLen, CharsPtr out, Int outSize, Int isForm);

Int ah_set_form_limits(Connection *connection, Int maxFields, Int64 maxFieldSize, Int64 maxFileSize, Int64 maxSize);
FormField *ah_next_form_field(Connection *connection);
Int ah_read_form_field(Connection *connection, void *buffer, Int bufferSize);
Int64 ah_store_form_field(Connection *connection, CharsPtr directory, CharsPtr fileName);

Int ah_set_password(CharsPtr fileName, CharsPtr domain, CharsPtr user, CharsPtr password);
Int ah_check_authentication(Connection *connection, CharsPtr domain, CharsPtr fileName);
Int ah_send_authentication_request(Connection *connection, CharsPtr domain);

void ah_set_request_handler(Context *context, CharsPtr uri, RequestHandlerCallback handler, void *userData);
void ah_set_auth_handler(Context *context, CharsPtr uri, AuthorizationCallback handler, void *userData);

void ah_set_web_socket_handler(Context *context, CharsPtr uri, WebSocketConnectCallback connectHandler,
                               WebSocketReadyCallback readyHandler, WebSocketDataCallback dataHandler,
                               WebSocketCloseCallback closeHandler, void *userData);
void ah_set_web_socket_message_handler(Context *context, CharsPtr uri, WebSocketConnectCallback connectHandler,
                                       WebSocketReadyCallback readyHandler, WebSocketMessageCallback dataHandler,
                                       WebSocketCloseCallback closeHandler, void *userData);
void ah_set_web_socket_handler_with_subprotocols(Context *context, CharsPtr uri, CharsPtr *subprotocols,
                                                 WebSocketConnectCallback connectHandler,
                                                 WebSocketReadyCallback readyHandler, WebSocketDataCallback dataHandler,
                                                 WebSocketCloseCallback closeHandler, void *userData);
void ah_set_web_socket_message_handler_with_subprotocols(Context *context, CharsPtr uri, CharsPtr *subprotocols,
                                                         WebSocketConnectCallback connectHandler,
                                                         WebSocketReadyCallback readyHandler,
                                                         WebSocketMessageCallback dataHandler,
                                                         WebSocketCloseCallback closeHandler, void *userData);

/* The document's names. */
Int ah_write_web_socket(Connection *connection, Int opcode, CharsPtr data, Int dataLen);
Int ah_write_web_socket_text(Connection *connection, CharsPtr data, Int dataLen);
Int ah_write_web_socket_binary(Connection *connection, CharsPtr data, Int dataLen);
/* The names published since. */
Int ah_write_to_web_socket(Connection *connection, Int opcode, CharsPtr data, ArchWord dataLen);
Int ah_write_text_to_web_socket(Connection *connection, CharsPtr data, ArchWord dataLen);
Int ah_write_string_to_web_socket(Connection *connection, CharsPtr data);
Int ah_write_binary_to_web_socket(Connection *connection, CharsPtr data, ArchWord dataLen);
Int ah_close_web_socket(Connection *connection);
Int ah_join_group(Connection *connection, CharsPtr name);
Int ah_leave_group(Connection *connection, CharsPtr name);
Int ah_write_text_to_group(Context *context, CharsPtr name, CharsPtr data, ArchWord dataLen);
Int ah_write_binary_to_group(Context *context, CharsPtr name, CharsPtr data, ArchWord dataLen);
Int ah_write_to_others_in_group(Connection *connection, CharsPtr name, Int opcode, CharsPtr data, ArchWord dataLen);
Int ah_close_web_socket_with_reason(Connection *connection, Int code, CharsPtr reason);
CharsPtr ah_get_close_reason(Connection *connection);
Int ah_is_web_socket_open(Connection *connection);
int64_t ah_get_queued_bytes(Connection *connection);
WebSocketStatistics *ah_get_web_socket_statistics(Context *context);

typedef struct Client Client;

typedef struct ResponseInfo {
    Int statusCode;
    CharsPtr statusText;
    CharsPtr httpVersion;
    Int64 contentLength;
    Int numberHeaders;
    Header httpHeaders[64];
} ResponseInfo;

Client *ah_start_client(CharsPtr *options);
void ah_stop_client(Client *client);
Connection *ah_connect_web_socket(Client *client, CharsPtr url, WebSocketReadyCallback readyHandler,
                                  WebSocketMessageCallback dataHandler, WebSocketCloseCallback closeHandler,
                                  void *userData, CharsPtr *subprotocols, CharsPtr *headers);
Connection *ah_connect_web_socket_with_data_handler(Client *client, CharsPtr url, WebSocketReadyCallback readyHandler,
                                                    WebSocketDataCallback dataHandler,
                                                    WebSocketCloseCallback closeHandler, void *userData,
                                                    CharsPtr *subprotocols, CharsPtr *headers);
Connection *ah_send_request(Client *client, CharsPtr method, CharsPtr url, CharsPtr *headers, CharsPtr body,
                            ArchWord bodyLen);
ResponseInfo *ah_get_response_info(Connection *connection);
void ah_close_connection(Connection *connection);
CharsPtr ah_get_subprotocol(Connection *connection);

CharsPtr ah_last_error(void);

#endif
