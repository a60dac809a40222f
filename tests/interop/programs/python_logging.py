"""Logs through Python's logging module and the official SDK, as an application that sets this up by hand does; the resource comes from
OTEL_RESOURCE_ATTRIBUTES and OTEL_SERVICE_NAME. Prints nothing; ends with 0 when everything was sent."""
import logging
import sys

from opentelemetry._logs import set_logger_provider
from opentelemetry.exporter.otlp.proto.http._log_exporter import OTLPLogExporter
from opentelemetry.sdk._logs import LoggerProvider, LoggingHandler
from opentelemetry.sdk._logs.export import BatchLogRecordProcessor

provider = LoggerProvider()
set_logger_provider(provider)
provider.add_log_record_processor(BatchLogRecordProcessor(OTLPLogExporter()))
logging.getLogger().addHandler(LoggingHandler(level=logging.DEBUG, logger_provider=provider))
log = logging.getLogger("shop")
log.setLevel(logging.INFO)
log.info("127.0.0.1 - - \"GET /hello HTTP/1.1\" 200 -", extra={"container": "of the record"})
log.warning("다음 <단계> & more")
try:
    raise ValueError("test exception")
except ValueError:
    log.exception("error test!")
ok = provider.force_flush(20000)
provider.shutdown()
sys.exit(0 if ok else 1)
