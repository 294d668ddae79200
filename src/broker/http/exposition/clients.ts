/** Metrics pushed by clients (KIP-714), as `kafka_client_*`, with the client's id, instance and software in addition to the metric's labels. */
import type { Telemetry } from '../../telemetry.ts'
import { type Labels, labelText, type Page } from './text.ts'

const kafkaPrefix = 'org.apache.kafka.'

/** A step for each series. */
export function* writeClients(page: Page, telemetry: Telemetry): Generator<void> {
  const families = Map.groupBy(telemetry.series(), series => familyName(series.name))
  for (const [name, members] of families) {
    page.family(name, members[0]!.isCounter ? 'counter' : 'gauge', 'Pushed by clients.')
    const shown = new Set<string>()
    for (const { attributes, client, value } of members) {
      yield
      const labels: Record<string, string> = {}
      for (const [key, text] of attributes) labels[safeName(key)] = text
      labels.client_id = client.client_id.slice(0, longestLabel)
      labels.client_instance_id = client.client_instance_id
      labels.client_software_name = client.client_software_name.slice(0, longestLabel)
      labels.client_software_version = client.client_software_version.slice(0, longestLabel)
      const text = labelText(labels satisfies Labels)
      // Two metric names of a client may become equal here, and Prometheus rejects a page with a duplicate series.
      if (shown.has(text)) continue
      shown.add(text)
      page.labelled(text, value)
    }
  }
}

const longestLabel = 128

function familyName(name: string): string {
  return `kafka_client_${safeName(name.startsWith(kafkaPrefix) ? name.slice(kafkaPrefix.length) : name)}`
}

function safeName(name: string): string {
  const safe = name.replace(/[^a-zA-Z0-9_]/g, '_')
  return /^[0-9]/.test(safe) ? `_${safe}` : safe
}
