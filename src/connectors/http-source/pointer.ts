/** JSON pointers (RFC 6901). `/` alone is the whole, as in castorm's connector. */

/** The names and indices that lead to a value. */
export type Pointer = readonly string[]

/** null: the text is no pointer. */
export function pointerOf(text: string): Pointer | null {
  if (text === '' || text === '/') return []
  if (!text.startsWith('/') || /~(?![01])/.test(text)) return null
  return text
    .slice(1)
    .split('/')
    .map(part => part.replaceAll('~1', '/').replaceAll('~0', '~'))
}

/** undefined: there is nothing. */
export function at(whole: unknown, pointer: Pointer): unknown {
  let value = whole
  for (const name of pointer) {
    if (Array.isArray(value)) value = /^(?:0|[1-9]\d{0,8})$/.test(name) ? value[Number(name)] : undefined
    else if (typeof value === 'object' && value !== null && Object.hasOwn(value, name)) value = (value as Record<string, unknown>)[name]
    else return undefined
  }
  return value
}
