/** What the names of objects say: where their records go, and after which other object they come. */
import { linearRegExp } from '../../base.ts'
import type { Config } from './keys.ts'

export interface Target {
  readonly topic: string
  /** null: to be chosen by the producer. */
  readonly partition: number | null
}

const isTopic = /^[\w.-]{1,249}$/
/** Of the id of a topic, in base64. */
const idLength = 22

/** `topic:expression`. Throws for what is none. */
export function topicPattern(entry: string): { topic: string; expression: RegExp } {
  const colon = entry.indexOf(':')
  const topic = entry.slice(0, colon).trim()
  if (colon === -1 || !isTopic.test(topic))
    throw new Error(`"${entry.slice(0, 200)}" is no topic and expression such as orders:.*/orders/.*`)
  return { topic, expression: linearRegExp(entry.slice(colon + 1).trim()) }
}

/** null: the object is not read. */
export function targetsOf(config: Config): (key: string) => Target | null {
  const patterns = config['topic.regex.list'].map(topicPattern)
  if (config.mode === 'GENERIC') {
    return key => {
      const found = patterns.find(({ expression }) => expression.test(key))
      return found === undefined ? null : { topic: found.topic, partition: null }
    }
  }
  const { 'directory.delim': slash, 'file.delim': delimiter } = config
  return key => {
    const name = key.slice(key.lastIndexOf(slash) + slash.length)
    // Topics may have the delimiter in their names: their directory says where they end.
    const parts = name.split(delimiter)
    const offset = parts.at(-1)!
    const partition = parts.at(-2) ?? ''
    const topic = withoutId(parts.slice(0, -2).join(delimiter), key.split(slash), delimiter)
    if (!/^\d{1,20}(?:\.|$)/.test(offset) || !/^\d{1,10}$/.test(partition) || !isTopic.test(topic)) return null
    if (patterns.length > 0 && !patterns.some(each => each.topic === topic && each.expression.test(key))) return null
    return { topic, partition: Number(partition) }
  }
}

/** The S3 sink puts the id of a topic that was made again behind its name. With another delimiter than `+` it may be a part of the name: the directory tells. */
function withoutId(name: string, directories: readonly string[], delimiter: string): string {
  const topic = name.slice(0, -idLength - delimiter.length)
  if (topic === '' || !/^[\w-]+$/.test(name.slice(-idLength)) || !name.startsWith(delimiter, topic.length)) return name
  const isName = isTopic.test(name) && (directories.includes(name) || !directories.includes(topic))
  return isName ? name : topic
}

/**
 * Objects whose names differ only in a number of the same length at the end: they are written in the order of that number, by one writer, so that the last one that
 * was read says which ones were. Every other object is a series of its own.
 */
export function seriesOf(key: string): string {
  const slash = key.lastIndexOf('/') + 1
  const point = key.indexOf('.', slash)
  const end = point === -1 ? key.length : point
  let begin = end
  while (begin > slash && key.charCodeAt(begin - 1) >= 48 && key.charCodeAt(begin - 1) <= 57) begin--
  return `${key.slice(0, begin)}${'#'.repeat(end - begin)}${key.slice(end)}`
}
