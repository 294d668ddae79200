/** How forms show the keys that Kafka Connect has for every connector: a title, a width, and a place within the group. */

export interface KeyForm {
  readonly title: string
  readonly width: string
  /** null: after the one before. */
  readonly order: number | null
}

const form = (title: string, width: 'SHORT' | 'MEDIUM' | 'LONG', order: number | null = null): KeyForm => ({ title, width, order })

const forms: Readonly<Record<string, KeyForm>> = {
  name: form('Connector name', 'MEDIUM', 1),
  'connector.class': form('Connector class', 'LONG', 2),
  'tasks.max': form('Tasks max', 'SHORT', 4),
  'tasks.max.enforce': form('Enforce tasks max', 'SHORT', 5),
  'key.converter': form('Key converter class', 'SHORT', 6),
  'value.converter': form('Value converter class', 'SHORT', 8),
  'header.converter': form('Header converter class', 'SHORT', 10),
  transforms: form('Transforms', 'LONG', 12),
  predicates: form('Predicates', 'LONG', 13),
  'config.action.reload': form('Reload Action', 'MEDIUM', 14),
  'errors.retry.timeout': form('Retry Timeout for Errors', 'MEDIUM'),
  'errors.retry.delay.max.ms': form('Maximum Delay Between Retries for Errors', 'MEDIUM'),
  'errors.tolerance': form('Error Tolerance', 'SHORT'),
  'errors.log.enable': form('Log Errors', 'SHORT'),
  'errors.log.include.messages': form('Log Error Details', 'SHORT'),
  topics: form('Topics', 'LONG', 4),
  'topics.regex': form('Topics regex', 'LONG', 4),
  'errors.deadletterqueue.topic.name': form('Dead Letter Queue Topic Name', 'MEDIUM'),
  'errors.deadletterqueue.topic.replication.factor': form('Dead Letter Queue Topic Replication Factor', 'MEDIUM'),
  'errors.deadletterqueue.context.headers.enable': form('Enable Error Context Headers', 'MEDIUM'),
  'topic.creation.groups': form('Topic Creation Groups', 'LONG'),
  'exactly.once.support': form('Exactly once support', 'SHORT', 2),
  'transaction.boundary': form('Transaction Boundary', 'SHORT', 3),
  'transaction.boundary.interval.ms': form('Transaction boundary interval', 'SHORT', 4),
  'offsets.storage.topic': form('Offsets topic', 'LONG'),
}

export function formOf(key: string): KeyForm {
  const [, kind, alias, own] = /^(transforms|predicates)\.([^.]+)\.(.+)$/.exec(key) ?? []
  if (own === undefined) return forms[key] ?? form(key, 'MEDIUM')
  if (own !== 'type') return form(own, 'MEDIUM')
  return form(`${kind === 'transforms' ? 'Transformation' : 'Predicate'} type for ${alias}`, 'LONG', 0)
}
