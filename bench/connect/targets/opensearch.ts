/** OpenSearch: documents named by their place in Kafka. */
import { startPeer } from '../../../compat/connect-sinks/peers.ts'
import { freePorts } from '../../../compat/support/run.ts'
import { fillOrders } from '../orders.ts'
import { becomes, type Row, type Side, type Target } from '../target.ts'

const fullCount = 120_000
const batch = 2_000
const topic = 'documents'
const lookMs = 100

export const opensearch: Target = {
  name: 'opensearch',
  rows: ['opensearch'],
  about: `Aiven's OpenSearch sink (59bc7c33), compiled from its sources: Maven Central has no sink for Elasticsearch or OpenSearch (Confluent's, Aiven's and Camel's are not
  there). One call in them is changed, so that Java 17 has it. Both sides: requests of ${batch.toLocaleString('en')} records, 5 at once (\`batch.size\`, \`consumer.max.poll.records\`,
  \`max.in.flight.requests\`), ids by topic, partition and offset, mappings by the target. OpenSearch 2.19.1 has one shard and a heap of 512 MiB. A record is 200 bytes of
  JSON without schema.`,
  plugin: {
    name: 'opensearch',
    artifacts: [
      'org.opensearch.client:opensearch-java:3.8.0',
      'org.apache.commons:commons-lang3:3.20.0',
      ...['http-auth-aws', 'sts', 'apache-client'].map(name => `software.amazon.awssdk:${name}:2.43.2`),
    ],
    sources: {
      repository: 'Aiven-Open/opensearch-connector-for-apache-kafka',
      commit: '59bc7c33aff87d64fe61299626c9d94ce898e776',
      modules: ['.'],
      edits: [
        {
          file: 'src/main/java/io/aiven/kafka/connect/opensearch/transport/TransportProvider.java',
          from: 'connectionUrls().getFirst()',
          to: 'connectionUrls().get(0)',
        },
      ],
    },
  },
  properties: { 'consumer.max.poll.records': String(batch) },
  async open({ client, scale }) {
    const { records } = await fillOrders(client, topic, fullCount * scale, false)
    const first = await freePorts(2)
    const peer = await startPeer('opensearch', [first, first + 1])
    return { rows: [row(records, `http://127.0.0.1:${peer.port}`)], close: () => peer.stop() }
  },
}

function row(records: number, url: string): Row {
  return {
    name: 'opensearch',
    what: 'topic of 4 partitions to OpenSearch, 2 tasks',
    records,
    async pass(worker, side, id) {
      await worker.rest('PUT', `/connectors/${id}/config`, { ...shared, 'connection.url': url, 'connector.class': classes[side] })
      // To count documents, the index has to be refreshed; how much was written costs nothing to know, but what is tried again is in it twice.
      await becomes(worker, id, async () => (await indexed(url)) >= records && (await documents(url)) === records, lookMs)
    },
    async after(id) {
      const count = await documents(url)
      if (count !== records) throw new Error(`${id}: ${count} documents instead of ${records}`)
      await ask(url, `/${topic}`, 'DELETE')
    },
  }
}

const classes: Readonly<Record<Side, string>> = {
  millrace: 'elasticsearch',
  kafka: 'io.aiven.kafka.connect.opensearch.OpenSearchSinkConnector',
}

const shared = {
  'tasks.max': '2',
  topics: topic,
  'value.converter': 'org.apache.kafka.connect.json.JsonConverter',
  'value.converter.schemas.enable': 'false',
  'key.ignore': 'true',
  'schema.ignore': 'true',
  'batch.size': String(batch),
  'max.in.flight.requests': '5',
  'max.buffered.records': '20000',
  'read.timeout.ms': '60000',
  'flush.timeout.ms': '180000',
}

/** 0: there is no index yet. */
async function indexed(url: string): Promise<number> {
  const found = (await ask(url, `/${topic}/_stats/indexing`, 'GET', 404)) as { _all?: { primaries: { indexing: { index_total: number } } } }
  return found._all?.primaries.indexing.index_total ?? 0
}

async function documents(url: string): Promise<number> {
  await ask(url, `/${topic}/_refresh`, 'POST')
  return ((await ask(url, `/${topic}/_count`)) as { count: number }).count
}

async function ask(url: string, path: string, method = 'GET', allowed = 200): Promise<unknown> {
  const response = await fetch(`${url}${path}`, { method })
  const text = await response.text()
  if (!response.ok && response.status !== allowed) throw new Error(`${method} ${path}: ${response.status} ${text.slice(0, 300)}`)
  return JSON.parse(text)
}
