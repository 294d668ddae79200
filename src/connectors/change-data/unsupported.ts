/** Keys of Debezium's that mean nothing here: they are refused by name, because leaving them out silently would give other records. */
import { type Declarations, nearestName } from '../../base.ts'

const families: readonly (readonly [pattern: RegExp, why: string])[] = [
  [/^column\.(?:mask|truncate|propagate)\.|^datatype\.propagate\./, 'use a transform, such as MaskField'],
  [
    /^converters$|^post\.processors$|^(?:custom|transaction)\.metadata\.factory$|^sourceinfo\.struct\.maker$/,
    'classes of Java cannot be loaded',
  ],
  [/^topic\.naming\.strategy$/, 'topics are PREFIX.schema.table; RegexRouter renames them'],
  [/^signal\.kafka\.|^signal\.file$/, 'signals come by signal.data.collection'],
  [/^notification\./, 'there are no notifications'],
  [
    /^snapshot\.(?:select\.statement\.overrides|query\.mode|mode\.)/,
    'snapshots read whole tables; an incremental one takes additional-conditions',
  ],
  [/^(?:openlineage|guardrail|custom\.metric)\./, 'it is not there'],
]

/** What a key that is not declared begins with, if it is meant for the connector. */
const own =
  /^(?:database|schema|table|column|message|decimal|time|binary|hstore|interval|money|snapshot|incremental|slot|publication|publish|plugin|heartbeat|signal|topic|tombstones|skipped|skip|provide|lag|lsn|status|max|poll|unavailable|event|field|converters|post|custom|transaction|sourceinfo|notification|openlineage|guardrail|datatype|include|replica|xmin|read|binlog|gtid|connect|use|bigint|inconsistent|enable|min)\b/

/** The worker's, which begin like that, and those of a topic that nothing needs here. */
const workers =
  /^(?:schema\.history\.internal|topic\.creation|topics|transaction\.boundary|transforms|predicates|errors|key\.converter|value\.converter|header\.converter)\b/

/** By key: why it is refused. */
export function unsupported(given: Readonly<Record<string, string>>, declared: Declarations): Map<string, string> {
  const problems = new Map<string, string>()
  for (const key of Object.keys(given)) {
    if (declared[key] !== undefined || workers.test(key)) continue
    const family = families.find(([pattern]) => pattern.test(key))
    if (family !== undefined) problems.set(key, `${key} is not supported: ${family[1]}`)
    else if (own.test(key)) {
      const near = nearestName(key, Object.keys(declared))
      problems.set(key, `${key} is not a key of this connector${near === null ? '' : `; did you mean ${near}?`}`)
    }
  }
  return problems
}
