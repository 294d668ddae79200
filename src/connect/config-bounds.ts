/**
 * How large a configuration may be. Kafka Connect knows no bound but that of the record that it becomes. Here the thread of the API looks at each, beside other requests, so it is
 * bounded wherever one comes in: by the API, from a file, and from the topic, where another worker may have written it.
 */
import { splitList } from '../base.ts'
import type { Config } from './stores/config-state.ts'

const mostConfigKeys = 1_000
/** Of keys and values in UTF-8. A record takes a megabyte by default, in which each byte may be written as six. */
const mostConfigBytes = 262_144
/** Of transforms, and of predicates: each is described with all of its keys. */
const mostAliases = 100

/** null: there is none. The largest configuration takes no longer than one of this size. */
export function boundProblem(config: Config): string | null {
  let keys = 0
  let bytes = 0
  for (const key in config) {
    bytes += Buffer.byteLength(key) + Buffer.byteLength(config[key] ?? '')
    if (++keys > mostConfigKeys) return `The connector configuration has more than ${mostConfigKeys} keys.`
    if (bytes > mostConfigBytes)
      return `The connector configuration is too large: its keys and values have more than ${mostConfigBytes} bytes.`
  }
  const long = ['transforms', 'predicates'].find(key => splitList(config[key] ?? '').length > mostAliases)
  return long === undefined ? null : `The connector configuration names more than ${mostAliases} ${long}.`
}
