// Addresses to and from the kernel's form.
#pragma once

#include <sys/socket.h>

#include "net/stream.h"

namespace naru::net {

/// Fills `out` and `size`; returns the family, or -1 when the address is not valid (a path too long for a unix socket).
int ToSockaddr(const Address& address, sockaddr_storage& out, socklen_t& size);
Address FromSockaddr(const sockaddr_storage& s, socklen_t size);

}  // namespace naru::net
