/**
 * Prepares the environment for the SDK of OpenTelemetry, which reads it by itself: the endpoint can come from
 * `config.json`, and a log of its own would go to stdout, which is the daemon's.
 */
export function applyTraceSettings(endpoint: string, environment: NodeJS.ProcessEnv = process.env): void {
  environment.OTEL_EXPORTER_OTLP_ENDPOINT = endpoint;
  delete environment.OTEL_LOG_LEVEL;
}
