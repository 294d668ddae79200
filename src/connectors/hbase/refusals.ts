/** Keys of Confluent's HBase sink that are not there: it speaks to ZooKeeper and the region servers. */
import type { Refusal } from '../../connector.ts'

export const refuses: readonly Refusal[] = [
  { key: /^(?:hbase\.zookeeper\..+|gcp\..+)$/, why: 'rows go through the REST server of HBase: give hbase.rest.url' },
]
