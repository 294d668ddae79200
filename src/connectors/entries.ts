/** For `check` of a key with a list: the first problem of one of its entries, or null. */
export function firstProblem(text: string, problemOf: (entry: string) => string | null): string | null {
  if (text === '') return null
  for (const entry of text.split(',')) {
    const problem = problemOf(entry)
    if (problem !== null) return problem
  }
  return null
}
