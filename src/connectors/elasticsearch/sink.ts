/**
 * Sink: documents in Elasticsearch 7 and 8 and in OpenSearch, with the keys of Confluent's Elasticsearch sink connector.
 *
 * A record becomes one document, with its key or its place in Kafka as id, so that writing it again changes nothing; with ids by key the offset is the
 * document's external version, and an older record never replaces a newer one.
 */
import { DataError, defineSink } from '../../connector.ts'
import { requireNone } from '../required.ts'
import { TopicNames } from '../topic-names.ts'
import { BulkWriter } from './bulk.ts'
import { openClient } from './client.ts'
import { type Operation, operationsOf } from './documents.ts'
import { Indices } from './indices.ts'
import { checkElasticsearch, elasticsearchKeys } from './keys.ts'
import { refuses } from './refusals.ts'

export const elasticsearch = defineSink({
  name: 'elasticsearch',
  classes: [
    'io.confluent.connect.elasticsearch.ElasticsearchSinkConnector',
    'io.aiven.kafka.connect.opensearch.OpenSearchSinkConnector',
    'io.aiven.kafka.connect.opensearch.OpensearchSinkConnector',
  ],
  version: '1.0.0',
  summary: 'Writes records as documents into Elasticsearch 7, 8 or OpenSearch, each once.',
  example: { 'connection.url': 'http://127.0.0.1:9200', 'key.ignore': 'true', 'schema.ignore': 'true' },
  config: elasticsearchKeys,
  refuses,
  check: checkElasticsearch,
  async open(config, context) {
    requireNone(checkElasticsearch(config))
    const client = openClient(config, context)
    const indices = new Indices(config, client)
    const topics = new TopicNames()
    const operationOf = operationsOf(config, topics)
    const writer = new BulkWriter(config, client, context)
    return {
      async opened(partitions) {
        topics.opened(partitions)
      },
      async put(records) {
        writer.requireWell()
        // Indices first: when that fails, none of the records was taken yet.
        const names = records.map(record => indices.nameFor(record))
        for (const [index, record] of records.entries()) {
          const made = indices.prepare(names[index]!, record)
          if (made !== null) await made
        }
        const operations: Operation[] = []
        for (const [index, record] of records.entries()) {
          try {
            const operation = operationOf(record, names[index]!)
            if (operation !== null) operations.push(operation)
          } catch (error) {
            if (!(error instanceof DataError)) throw error
            if (config['drop.invalid.message']) context.count('records_dropped')
            else await context.report(record, error)
          }
        }
        for (const operation of operations) {
          const full = writer.add(operation)
          if (full !== null) await full
        }
      },
      async flush() {
        await writer.flush()
        return undefined
      },
      async close() {
        writer.close()
        await client.close()
      },
    }
  },
})
