/** Kafka's rules for topic names, with Kafka's messages. */

const maxLength = 249
const legal = /^[a-zA-Z0-9._-]*$/

/** What is wrong with the name; null when nothing is. */
export function topicNameProblem(name: string): string | null {
  const problem = problemOf(name)
  return problem === null ? null : `Topic name is invalid: ${problem}`
}

function problemOf(name: string): string | null {
  if (name === '') return 'the empty string is not allowed'
  if (name === '.' || name === '..') return `'${name}' is not allowed`
  if (name.length > maxLength) return `the length of '${name}' is longer than the max allowed length ${maxLength}`
  if (!legal.test(name)) return `'${name}' contains one or more characters other than ASCII alphanumerics, '.', '_' and '-'`
  return null
}

/**
 * Names that differ only in '.' and '_' have the same collision key, because Kafka's metrics cannot tell them apart; null for a name
 * that has neither.
 */
export function collisionKey(name: string): string | null {
  return name.includes('.') || name.includes('_') ? name.replaceAll('.', '_') : null
}
