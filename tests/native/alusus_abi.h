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

typedef Int (*RequestCallback)(Connection *connection);
typedef Int (*WebSocketConnectCallback)(Connection *connection, void *userData);
typedef void (*WebSocketReadyCallback)(Connection *connection, void *userData);
typedef Int (*WebSocketDataCallback)(Connection *connection, Int bits, CharsPtr data, Int dataLen, void *userData);
typedef Int (*WebSocketMessageCallback)(Connection *connection, Int opcode, CharsPtr data, ArchWord dataLen,
                                        void *userData);
typedef void (*WebSocketCloseCallback)(Connection *connection, void *userData);

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

/* Overloads of startServer; the two with Array are Alusus bodies that call the one with options. */
Context *ah_start_server(Callbacks *callbacks, void *userData, CharsPtr *options);
Context *ah_start_server_with_options(RequestCallback callback, void *userData, CharsPtr *options, ArchInt optionsCount);
Context *ah_start_server_with_arguments(RequestCallback callback, void *userData, Int optsCount, ...);
Context *ah_start_server_with_arguments_no_data(RequestCallback callback, Int optsCount, ...);
Context *ah_start_server_on_port(RequestCallback callback, void *userData, CharsPtr port);
void ah_stop_server(Context *context);

RequestInfo *ah_get_request_info(Connection *connection);
CharsPtr ah_get_header(Connection *connection, CharsPtr name);
Int ah_read(Connection *connection, void *buffer, Int bufferSize);
Int ah_write(Connection *connection, CharsPtr buffer, Int bufferSize);
Int ah_print(Connection *connection, CharsPtr format, ...);

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
Int ah_write_binary_to_group(Context *context, CharsPtr name, CharsPtr data, ArchWord dataLen);

CharsPtr ah_last_error(void);

#endif
