#include "apps/distributions/full.h"

#include "connectors/forward/factory.h"
#include "exporters/console/factory.h"
#include "exporters/debug/factory.h"
#include "exporters/file/factory.h"
#include "exporters/loki/factory.h"
#include "exporters/nop/factory.h"
#include "exporters/otlp_grpc/factory.h"
#include "exporters/otlp_http/factory.h"
#include "exporters/prometheus_remote_write/factory.h"
#include "exporters/zipkin/factory.h"
#include "extensions/basicauth/factory.h"
#include "extensions/bearertokenauth/factory.h"
#include "extensions/file_storage/factory.h"
#include "extensions/headers_setter/factory.h"
#include "extensions/health_check/factory.h"
#include "extensions/memory_limiter/factory.h"
#include "extensions/pprof/factory.h"
#include "extensions/zpages/factory.h"
#include "processors/attributes/factory.h"
#include "processors/batch/factory.h"
#include "processors/filter/factory.h"
#include "processors/memory_limiter/factory.h"
#include "processors/probabilistic_sampler/factory.h"
#include "processors/resource/factory.h"
#include "receivers/nop/factory.h"
#include "receivers/otlp/factory.h"

namespace naru::apps {

collector::Factories FullDistribution() {
  collector::Factories f;
  f.push_back(receivers::nop::NewFactory());
  f.push_back(receivers::otlp::NewFactory());
  f.push_back(processors::batch::NewFactory());
  f.push_back(processors::attributes::NewFactory());
  f.push_back(processors::filter::NewFactory());
  f.push_back(processors::probabilistic_sampler::NewFactory());
  f.push_back(processors::resource::NewFactory());
  f.push_back(processors::memory_limiter::NewFactory());
  f.push_back(exporters::console::NewFactory());
  f.push_back(exporters::debug::NewFactory());
  f.push_back(exporters::file::NewFactory());
  f.push_back(exporters::loki::NewFactory());
  f.push_back(exporters::nop::NewFactory());
  f.push_back(exporters::otlp_grpc::NewFactory());
  f.push_back(exporters::otlp_http::NewFactory());
  f.push_back(exporters::prometheus_remote_write::NewFactory());
  f.push_back(exporters::zipkin::NewFactory());
  f.push_back(extensions::basicauth::NewFactory());
  f.push_back(extensions::bearertokenauth::NewFactory());
  f.push_back(extensions::file_storage::NewFactory());
  f.push_back(extensions::headers_setter::NewFactory());
  f.push_back(extensions::health_check::NewFactory());
  f.push_back(extensions::memory_limiter::NewFactory());
  f.push_back(extensions::pprof::NewFactory());
  f.push_back(extensions::zpages::NewFactory());
  f.push_back(connectors::forward::NewFactory());
  return f;
}

}  // namespace naru::apps
