/** Names of topics and schemas that are made of names of tables. */

/** Kafka's. */
const longestTopic = 249

/** What Kafka does not allow in the name of a topic becomes `_`. */
export function topicName(...parts: readonly string[]): string {
  const name = parts
    .join('.')
    .replace(/[^\w.-]/g, '_')
    .slice(0, longestTopic)
  return name === '.' || name === '..' ? name.replaceAll('.', '_') : name
}

/** Of a schema or a field. */
export function adjusted(name: string, mode: 'none' | 'avro'): string {
  if (mode === 'none') return name
  return name.replace(/[^\w.]/g, '_').replace(/(^|\.)(?=\d)/g, '$1_')
}

export function adjustedField(name: string, mode: 'none' | 'avro'): string {
  return mode === 'none' ? name : name.replace(/\W/g, '_').replace(/^(?=\d)/, '_')
}
