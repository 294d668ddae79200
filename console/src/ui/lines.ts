/** What changed between two texts, by line: the longest common lines stay. */

export interface Line {
  readonly kind: 'same' | 'added' | 'removed'
  readonly text: string
}

/** The table that finds them has a cell for each pair of lines. */
const mostCells = 4_000_000

export function linesBetween(before: string, after: string): Line[] {
  const [a, b] = [before.split('\n'), after.split('\n')]
  if (before === after) return b.map(text => ({ kind: 'same', text }))
  const all = (kind: Line['kind'], texts: readonly string[]): Line[] => texts.map(text => ({ kind, text }))
  if (a.length * b.length > mostCells) return [...all('removed', a), ...all('added', b)]
  // How many lines are common from here on.
  const width = b.length + 1
  const common = new Uint32Array((a.length + 1) * width)
  for (let i = a.length - 1; i >= 0; i--)
    for (let j = b.length - 1; j >= 0; j--)
      common[i * width + j] =
        a[i] === b[j] ? common[(i + 1) * width + j + 1]! + 1 : Math.max(common[(i + 1) * width + j]!, common[i * width + j + 1]!)
  const lines: Line[] = []
  let [i, j] = [0, 0]
  while (i < a.length && j < b.length) {
    if (a[i] === b[j]) {
      lines.push({ kind: 'same', text: b[j]! })
      i++
      j++
    } else if (common[(i + 1) * width + j]! >= common[i * width + j + 1]!) lines.push({ kind: 'removed', text: a[i++]! })
    else lines.push({ kind: 'added', text: b[j++]! })
  }
  return [...lines, ...all('removed', a.slice(i)), ...all('added', b.slice(j))]
}
