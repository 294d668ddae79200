/** Keys of Debezium's that mean nothing here: they are refused by name, because leaving them out silently would give other records. */
import type { Refusal } from '../../connector.ts'

export const refuses: readonly Refusal[] = [
  { key: /^column\.(?:mask|truncate|propagate)\.|^datatype\.propagate\./, why: 'use a transform, such as MaskField' },
  {
    key: /^converters$|^post\.processors$|^(?:custom|transaction)\.metadata\.factory$|^sourceinfo\.struct\.maker$/,
    why: 'classes of Java cannot be loaded',
  },
  { key: /^topic\.naming\.strategy$/, why: 'topics are PREFIX.schema.table; RegexRouter renames them' },
  { key: /^signal\.kafka\.|^signal\.file$/, why: 'signals come by signal.data.collection' },
  { key: /^notification\./, why: 'there are no notifications' },
  {
    key: /^snapshot\.(?:select\.statement\.overrides|query\.mode|mode\.)/,
    why: 'snapshots read whole tables; an incremental one takes additional-conditions',
  },
  { key: /^(?:openlineage|guardrail|custom\.metric)\./, why: 'it is not there' },
  { key: /^database\.server\.name$/, why: 'Debezium calls it topic.prefix since version 2' },
  { key: /^database\.history\./, why: 'schemas are kept with the offsets, and need no topic of their own' },
  { key: /^(?:database|schema|table|column)\.whitelist$/, why: 'Debezium calls it include.list since version 1.3' },
  { key: /^(?:database|schema|table|column)\.blacklist$/, why: 'Debezium calls it exclude.list since version 1.3' },
  // What else begins as Debezium's keys do, and is not the worker's.
  {
    key: /^(?!(?:schema\.history\.internal|topic\.creation|topics|transaction\.boundary|transforms|predicates|errors|(?:key|value|header)\.converter)\b)(?:database|schema|table|column|message|decimal|time|binary|hstore|interval|money|snapshot|incremental|slot|publication|publish|plugin|heartbeat|signal|topic|tombstones|skipped|skip|provide|lag|lsn|status|max|poll|unavailable|event|field|converters|post|custom|transaction|sourceinfo|notification|openlineage|guardrail|datatype|include|replica|xmin|read|binlog|gtid|connect|use|bigint|inconsistent|enable|min)\b/,
    why: 'it is no key of this connector',
  },
]
