/** Debezium's lists of tables and columns: regular expressions that match a whole name, whatever its case. */
import { linearRegExp } from '../../base.ts'
import { firstProblem, problemBy } from '../entries.ts'

/** For `check` of a key. */
export function patternsProblem(text: string): string | null {
  return firstProblem(text, problemBy(wholeName))
}

/** For names in lower case: the automaton cannot ignore case. Escapes such as `\S` stay. */
function wholeName(pattern: string): RegExp {
  return linearRegExp(`^(?:${pattern.replace(/\\.|[A-Z]/g, part => (part.length > 1 ? part : part.toLowerCase()))})$`)
}

/** Whether a name is one of those; all are, if both lists are empty. */
export function included(include: readonly string[], exclude: readonly string[]): (name: string) => boolean {
  const [in_, out] = [include.map(wholeName), exclude.map(wholeName)]
  return name => {
    const lower = name.toLowerCase()
    return (in_.length === 0 || in_.some(each => each.test(lower))) && !out.some(each => each.test(lower))
  }
}
