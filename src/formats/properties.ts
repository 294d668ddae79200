/** Java's `.properties` format, with escapes and continued lines. Of two equal keys the last one counts, as in Java. */

export interface Property {
  value: string
  /** Of its first character, from 1. */
  line: number
}

/** By key, or what is wrong. */
export function parseProperties(text: string): Map<string, Property> | string {
  const properties = new Map<string, Property>()
  const lines = text.split(/\r\n|\n|\r/)
  for (let index = 0; index < lines.length; index++) {
    const first = index
    let line = lines[index]!.replace(/^[ \t\f]+/, '')
    if (line === '' || line.startsWith('#') || line.startsWith('!')) continue
    while (endsOpen(line) && index + 1 < lines.length) line = line.slice(0, -1) + lines[++index]!.replace(/^[ \t\f]+/, '')
    if (endsOpen(line)) line = line.slice(0, -1)
    const [key, value] = split(line).map(decodeEscapes) as [string | null, string | null]
    if (key === null || value === null) return `malformed \\uxxxx encoding in line ${first + 1}`
    properties.set(key, { value, line: first + 1 })
  }
  return properties
}

/** An odd number of backslashes at the end: the line continues. */
function endsOpen(line: string): boolean {
  return (/\\*$/.exec(line)![0].length & 1) === 1
}

/** The key ends at the first separator (`=`, `:` or white space) that is not escaped. */
function split(line: string): [string, string] {
  const key = /^(?:\\.|[^\\=: \t\f])*/s.exec(line)![0]
  return [key, line.slice(key.length).replace(/^[ \t\f]*[=:]?[ \t\f]*/, '')]
}

const named: Readonly<Record<string, string>> = { t: '\t', n: '\n', r: '\r', f: '\f' }

function decodeEscapes(text: string): string | null {
  if (!text.includes('\\')) return text
  if (/(?:^|[^\\])(?:\\\\)*\\u(?![0-9a-fA-F]{4})/.test(text)) return null
  return text.replace(/\\(?:u([0-9a-fA-F]{4})|(.))/gs, (_, hex: string | undefined, char: string) =>
    hex === undefined ? (named[char] ?? char) : String.fromCharCode(Number.parseInt(hex, 16)),
  )
}
