/** Keys of ClickHouse's own sink that are not there. */
import type { Refusal } from '../../connector.ts'

export const refuses: readonly Refusal[] = [
  {
    key: /^exactlyOnce$/,
    why: 'inserts carry a token by which tables recognise those that they have; see the page of the connector',
    unless: ['', 'false'],
  },
  { key: /^auto\.evolve(?:\..+)?$/, why: 'columns are not added to tables', unless: ['', 'false'] },
  { key: /^(?:custom)?[iI]nsertFormat$/, why: 'rows are sent as JSON', unless: ['', 'none'] },
  { key: /^enableDbTopicSplit$/, why: 'database is one for all topics', unless: ['', 'false'] },
  { key: /^debeziumCDCEnabled$/, why: 'let a transform take the row out of the change', unless: ['', 'false'] },
  { key: /^dateTimeFormats$/, why: 'let the transform TimestampConverter read times' },
  { key: /^jdbcConnectionProperties$/, why: 'give settings in clickhouseSettings' },
  { key: /^proxy(?:Type|Host|Port)$/, why: 'requests go through no proxy', unless: ['', 'IGNORE'] },
]
