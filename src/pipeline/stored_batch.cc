#include "pipeline/stored_batch.h"

#include <cstring>

namespace naru::pipeline {
namespace {

// version u8, signal u8, 0 u16, client bytes u32, inputs u32; the client; (bytes u32, items u32) of each input; the
// inputs. Little-endian. The client: the address, then a name and a value for every value of its metadata, each text a
// length u32 and its bytes.
constexpr uint8_t kVersion = 1;
constexpr size_t kMaxClient = 1 << 20;

void Put32(std::string& out, uint64_t v) {
  auto n = static_cast<uint32_t>(v);
  out.append(reinterpret_cast<const char*>(&n), sizeof n);
}
void PutText(std::string& out, std::string_view text) {
  Put32(out, text.size());
  out += text;
}

// Reads from the front of what is left.
struct Reader {
  std::string_view left;
  bool ok = true;
  uint32_t U32() {
    uint32_t v = 0;
    if (left.size() < sizeof v) return ok = false, 0;
    std::memcpy(&v, left.data(), sizeof v);
    left.remove_prefix(sizeof v);
    return v;
  }
  std::string_view Bytes(size_t n) {
    if (left.size() < n) return ok = false, std::string_view();
    std::string_view out = left.substr(0, n);
    left.remove_prefix(n);
    return out;
  }
};

}  // namespace

std::vector<Slice> EncodeStored(const Batch& batch) {
  std::string client;
  if (batch.client()) {
    PutText(client, batch.client()->address);
    for (auto& [name, values] : batch.client()->metadata) {
      for (auto& value : values) {
        if (client.size() + name.size() + value.size() > kMaxClient) continue;
        PutText(client, name);
        PutText(client, value);
      }
    }
  }
  std::string head;
  head += static_cast<char>(kVersion);
  head += static_cast<char>(batch.signal());
  head.append(2, '\0');
  Put32(head, client.size());
  Put32(head, batch.parts().size());
  head += client;
  for (auto& p : batch.parts()) {
    Put32(head, p.bytes.size());
    Put32(head, p.items);
  }
  std::vector<Slice> out;
  out.reserve(batch.parts().size() + 1);
  out.push_back(Slice::CopyOf(head));
  for (auto& p : batch.parts()) out.push_back(p.bytes);
  return out;
}

Result<Batch> DecodeStored(Signal signal, const Slice& record) {
  auto bad = [] { return Fail(Code::kDataLoss, "not a stored batch of this signal"); };
  Reader in{record.view()};
  std::string_view kind = in.Bytes(4);
  uint32_t client_bytes = in.U32(), inputs = in.U32();
  if (!in.ok || static_cast<uint8_t>(kind[0]) != kVersion ||
      static_cast<uint8_t>(kind[1]) != static_cast<uint8_t>(signal))
    return bad();
  Reader client{in.Bytes(client_bytes)};
  std::string_view table = in.Bytes(size_t{inputs} * 8);
  if (!in.ok) return bad();
  Batch out(signal);
  if (client_bytes) {
    auto info = std::make_shared<ClientInfo>();
    info->address = client.Bytes(client.U32());
    while (client.ok && !client.left.empty()) {
      std::string name(client.Bytes(client.U32()));
      std::string value(client.Bytes(client.U32()));
      if (client.ok) info->metadata[name].push_back(std::move(value));
    }
    if (!client.ok) return bad();
    out.set_client(std::move(info));
  }
  size_t at = record.size() - in.left.size();
  Reader sizes{table};
  for (uint32_t i = 0; i < inputs; ++i) {
    uint32_t n = sizes.U32(), items = sizes.U32();
    if (n > record.size() - at) return bad();
    out.Append(record.Sub(at, n), items);
    at += n;
  }
  if (at != record.size()) return bad();
  return out;
}

}  // namespace naru::pipeline
