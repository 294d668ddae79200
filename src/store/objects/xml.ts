/**
 * The little XML that S3 speaks. Answers are flat lists of elements without attributes that matter, so they are searched, not parsed.
 */

const entities: Readonly<Record<string, string>> = { amp: '&', lt: '<', gt: '>', quot: '"', apos: "'" }

/** The text of the first such element; null if there is none. */
export function textOf(xml: string, element: string): string | null {
  return firstOf(xml, element, unescaped)
}

/** The content of each such element, as XML. */
export function elementsOf(xml: string, element: string): string[] {
  const found: string[] = []
  const [open, close] = [`<${element}>`, `</${element}>`]
  for (let at = xml.indexOf(open); at !== -1; at = xml.indexOf(open, at)) {
    const end = xml.indexOf(close, at)
    if (end === -1) break
    found.push(xml.slice(at + open.length, end))
    at = end
  }
  return found
}

function firstOf(xml: string, element: string, convert: (text: string) => string): string | null {
  const open = `<${element}>`
  const start = xml.indexOf(open)
  if (start === -1) return null
  const end = xml.indexOf(`</${element}>`, start)
  return end === -1 ? null : convert(xml.slice(start + open.length, end))
}

function unescaped(text: string): string {
  return text.replace(/&(?:#(\d+)|#x([\da-f]+)|(\w+));/gi, (whole, decimal?: string, hexadecimal?: string, name?: string) => {
    if (decimal !== undefined) return String.fromCodePoint(Number(decimal))
    if (hexadecimal !== undefined) return String.fromCodePoint(Number.parseInt(hexadecimal, 16))
    return entities[name!] ?? whole
  })
}

export function escaped(text: string): string {
  return text.replace(/[&<>"]/g, char => ({ '&': '&amp;', '<': '&lt;', '>': '&gt;', '"': '&quot;' })[char]!)
}
