/** The difference of two texts by lines, as `diff` prints it: ' ' both, '-' only the first, '+' only the second. */

/** Beyond so many pairs of lines, what differs is shown as a whole. */
const mostPairs = 4_000_000

export function lineDiff(one: readonly string[], other: readonly string[]): string[] {
  let start = 0
  while (start < one.length && start < other.length && one[start] === other[start]) start++
  let end = 0
  while (end < one.length - start && end < other.length - start && one[one.length - 1 - end] === other[other.length - 1 - end]) end++
  const middle = changed(one.slice(start, one.length - end), other.slice(start, other.length - end))
  return [...one.slice(0, start).map(same), ...middle, ...one.slice(one.length - end).map(same)]
}

function same(line: string): string {
  return ` ${line}`
}

/** By the longest common subsequence. */
function changed(one: readonly string[], other: readonly string[]): string[] {
  if (one.length * other.length > mostPairs) return [...one.map(line => `-${line}`), ...other.map(line => `+${line}`)]
  const width = other.length + 1
  const longest = new Uint32Array((one.length + 1) * width)
  for (let a = one.length - 1; a >= 0; a--) {
    for (let b = other.length - 1; b >= 0; b--) {
      const skip = Math.max(longest[(a + 1) * width + b]!, longest[a * width + b + 1]!)
      longest[a * width + b] = one[a] === other[b] ? longest[(a + 1) * width + b + 1]! + 1 : skip
    }
  }
  const lines: string[] = []
  let a = 0
  let b = 0
  while (a < one.length || b < other.length) {
    if (a < one.length && b < other.length && one[a] === other[b]) {
      lines.push(same(one[a]!))
      a++
      b++
    } else if (b >= other.length || (a < one.length && longest[(a + 1) * width + b]! >= longest[a * width + b + 1]!))
      lines.push(`-${one[a++]}`)
    else lines.push(`+${other[b++]}`)
  }
  return lines
}
