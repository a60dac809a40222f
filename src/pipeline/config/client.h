// From a client block to a client on a loop.
#pragma once

#include <memory>

#include "net/http_client.h"
#include "pipeline/component.h"
#include "pipeline/config/client_config.h"
#include "pipeline/metrics.h"

namespace naru::pipeline {

/// On `loop`'s thread.
std::unique_ptr<net::HttpClient> MakeGrpcClient(Host& host, const GrpcClientConfig& config, net::Loop& loop);
/// For the origin of `url`; on `loop`'s thread.
std::unique_ptr<net::HttpClient> MakeHttpClient(Host& host, const HttpClientConfig& config, const net::Url& url,
                                                net::Loop& loop);

/// server.address and server.port of an endpoint that was checked: what an exporter's item counts carry.
Attributes Destination(const GrpcTarget& target);

/// The authenticator that `config` names; null without one. Start() checks it with CheckClient.
ClientAuth* FindClientAuth(Host& host, const conf::Optional<ClientAuthConfig>& config);
/// That the extensions which a client block names are there, and the proxy of the environment is one.
Status CheckClient(Host& host, const GrpcClientConfig& config);
Status CheckClient(Host& host, const HttpClientConfig& config);

}  // namespace naru::pipeline
