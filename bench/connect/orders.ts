/** The records that sinks of services are measured with: orders of about 200 bytes of JSON, of which each is changed twice. */
import type { Client } from '../../src/client.ts'

export const partitions = 4
const versions = 3

const schema = {
  type: 'struct',
  optional: false,
  fields: [
    { field: 'id', type: 'int64', optional: false },
    { field: 'version', type: 'int32', optional: false },
    { field: 'customer', type: 'string', optional: false },
    { field: 'amount', type: 'double', optional: false },
    { field: 'paid', type: 'boolean', optional: false },
    { field: 'at', type: 'int64', name: 'org.apache.kafka.connect.data.Timestamp', version: 1, optional: false },
    { field: 'note', type: 'string', optional: true },
  ],
}
const schemaText = JSON.stringify(schema)
const note = 'to be left with the neighbours on the second floor if nobody opens'

export interface Orders {
  readonly records: number
  /** Of different ids. */
  readonly orders: number
  /** Of the last versions. */
  readonly versionSum: number
}

/** All versions of an order are in one partition, in their order, with the order's number as key. */
export async function fillOrders(client: Client, topic: string, records: number, withSchema: boolean): Promise<Orders> {
  await client.createTopic({ name: topic, partitions })
  const orders = records / versions
  const together = 5_000
  for (let from = 0; from < records; from += together)
    await client.send(
      topic,
      Array.from({ length: Math.min(together, records - from) }, (_, index) => {
        const id = (from + index) % orders
        const text = JSON.stringify({
          id,
          version: Math.floor((from + index) / orders),
          customer: `customer-${id % 10_000}`,
          // Never whole: where mappings follow the documents, the first would make it an integer.
          amount: id + 0.5,
          paid: id % 2 === 0,
          at: 1_790_000_000_000 + id,
          note,
        })
        const value = Buffer.from(withSchema ? `{"schema":${schemaText},"payload":${text}}` : text)
        return { key: Buffer.from(String(id)), value, partition: id % partitions }
      }),
    )
  return { records, orders, versionSum: orders * (versions - 1) }
}
