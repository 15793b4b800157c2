#pragma once
// libwebsockets' C callbacks of this layer, each one line into its class. Included only here.
#include <libwebsockets.h>

namespace tocsin::http {

inline constexpr const char* kHttpClientProtocol = "tocsin-http";
inline constexpr const char* kWsClientProtocol = "tocsin-ws";

int http_client_callback(lws* wsi, lws_callback_reasons reason, void* user, void* in, size_t len);
int ws_client_callback(lws* wsi, lws_callback_reasons reason, void* user, void* in, size_t len);
int http_server_callback(lws* wsi, lws_callback_reasons reason, void* user, void* in, size_t len);

}  // namespace tocsin::http
