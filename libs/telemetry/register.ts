// Starts metrics and, where a collector is named, traces. Metrics are served as text by
// the service's own HTTP server; the exporter opens no port.

import { metrics } from '@opentelemetry/api'
import { PrometheusExporter, PrometheusSerializer } from '@opentelemetry/exporter-prometheus'
import { MeterProvider } from '@opentelemetry/sdk-metrics'
import { NodeSDK, resources } from '@opentelemetry/sdk-node'

export type Telemetry = {
  /** All metrics in Prometheus' text form. */
  metrics(): Promise<string>
  shutdown(): Promise<void>
}

export function registerTelemetry(options: { readonly service: string }): Telemetry {
  const resource = resources.resourceFromAttributes({ 'service.name': `twinscope-${options.service}` })
  const reader = new PrometheusExporter({ preventServerStart: true })
  const meterProvider = new MeterProvider({ resource, readers: [reader] })
  metrics.setGlobalMeterProvider(meterProvider)
  const serializer = new PrometheusSerializer('', false, undefined, false, true)

  let tracing: NodeSDK | undefined
  if ((process.env.OTEL_EXPORTER_OTLP_ENDPOINT ?? '') !== '') {
    // The default detectors ask a cloud's metadata host at start, which does not exist here.
    process.env.OTEL_NODE_RESOURCE_DETECTORS ??= 'env,host,process,os'
    tracing = new NodeSDK({ resource, metricReaders: [] })
    tracing.start()
  }
  return {
    async metrics() {
      const { resourceMetrics } = await reader.collect()
      return serializer.serialize(resourceMetrics)
    },
    async shutdown() {
      // A collector that cannot be reached must not keep a service from ending well.
      await Promise.allSettled([meterProvider.shutdown(), tracing?.shutdown()])
      metrics.disable()
    },
  }
}
