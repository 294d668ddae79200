/** For `check` of a key with a list: the first problem of one of its entries, or null. */
export function firstProblem(text: string, problemOf: (entry: string) => string | null): string | null {
  if (text === '') return null
  for (const entry of text.split(',')) {
    const problem = problemOf(entry)
    if (problem !== null) return problem
  }
  return null
}

/** For `check` of a key whose text is read by a function that throws: what that says, or null. */
export function problemBy(read: (text: string) => unknown): (text: string) => string | null {
  return text => {
    try {
      read(text)
      return null
    } catch (error) {
      return (error as Error).message
    }
  }
}

/** What stands before the first separator of an entry such as `name=value`, and what behind; nothing behind where there is none. */
export function pairOf(entry: string, separator = '='): [name: string, value: string] {
  const at = entry.indexOf(separator)
  return at === -1 ? [entry, ''] : [entry.slice(0, at).trim(), entry.slice(at + 1).trim()]
}
