/** A page of metrics in Prometheus' text format, of which a few numbers are wanted. */

/** What the plots show; undefined: not known. */
export interface Reading {
  /** Since the start of the broker. */
  bytesIn?: number
  bytesOut?: number
  recordsIn?: number
  requests?: number
  /** Milliseconds. */
  produceP99?: number
  fetchP99?: number
  connections?: number
  memory?: number
  diskFree?: number
  diskFloor?: number
  /** Of all topics, which Kafka's protocol tells and not the page. */
  disk?: number
}

type Name = keyof Reading

/** Those with labels are added up. */
const wanted: readonly (readonly [line: RegExp, name: Name])[] = [
  [/^kafka_server_brokertopicmetrics_bytesin_total /, 'bytesIn'],
  [/^kafka_server_brokertopicmetrics_bytesout_total /, 'bytesOut'],
  [/^kafka_server_brokertopicmetrics_messagesin_total /, 'recordsIn'],
  [/^kafka_network_requestmetrics_requests_total\{request="(?!FetchConsumer")/, 'requests'],
  [/^kafka_network_requestmetrics_totaltimems\{request="Produce",quantile="0\.99"\}/, 'produceP99'],
  [/^kafka_network_requestmetrics_totaltimems\{request="FetchConsumer",quantile="0\.99"\}/, 'fetchP99'],
  [/^kafka_server_socket_server_metrics_connection_count\b/, 'connections'],
  [/^process_resident_memory_bytes /, 'memory'],
  [/^millrace_disk_free_bytes /, 'diskFree'],
  [/^millrace_disk_free_floor_bytes /, 'diskFloor'],
]

const first = /^(?:kafka_server_|kafka_network_requestmetrics_[rt]|process_resident|millrace_disk)/

export function readPage(text: string): Reading {
  const reading: Reading = {}
  for (const line of text.split('\n')) {
    if (!first.test(line)) continue
    const name = wanted.find(([pattern]) => pattern.test(line))?.[1]
    if (name === undefined) continue
    const value = Number(line.slice(line.lastIndexOf(' ') + 1))
    if (Number.isFinite(value)) reading[name] = (reading[name] ?? 0) + value
  }
  return reading
}
